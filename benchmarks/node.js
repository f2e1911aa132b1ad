// Runs exports `f` of modules under V8 and times them there: one request a line, one answer a line.
//
// {"name", "wasm": base64} loads a module and warms it up until V8 has compiled it for good;
// {"name", "arguments", "times"} calls it. What the pipe takes is in none of the answers.
"use strict";
const { performance } = require("node:perf_hooks");
const WARM_MILLISECONDS = 300;
const functions = new Map();

function load({ name, wasm, arguments: given }) {
  const module = new WebAssembly.Module(Buffer.from(wasm, "base64"));
  const f = new WebAssembly.Instance(module).exports.f;
  functions.set(name, f);
  const end = performance.now() + WARM_MILLISECONDS;
  let result;
  do result = f(...given);
  while (performance.now() < end);
  return { result };
}

function call({ name, arguments: given, times }) {
  const f = functions.get(name);
  const [a, b] = given;
  const began = performance.now();
  for (let time = 0; time < times; time++) f(a, b);
  return { seconds: (performance.now() - began) / 1000 };
}

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const request = JSON.parse(line);
    const answer = "wasm" in request ? load(request) : call(request);
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
