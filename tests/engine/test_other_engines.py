"""Somebody else in the process may use wasmtime too."""

import subprocess
import sys

import pytest

OTHER_ENGINE_FIRST = """
import wasmtime
engine = wasmtime.Engine()
from ipvm.engine import selftest
selftest.require()
"""

OTHER_ENGINE_LATER = """
from ipvm.engine import selftest
selftest.require()
import wasmtime
store = wasmtime.Store()
module = wasmtime.Module(store.engine, '(module (func (export "trap") unreachable))')
try:
    wasmtime.Instance(store, module, []).exports(store)["trap"](store)
except wasmtime.Trap:
    pass
"""


@pytest.mark.parametrize("program", [OTHER_ENGINE_FIRST, OTHER_ENGINE_LATER])
def test_an_engine_of_somebody_else_does_no_harm(program: str) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
