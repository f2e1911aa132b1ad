"""Call functions, run commands and read receipts for those who ask over HTTP.

Targets are CIDs, and content is links or paths below CIDs: no text that comes over HTTP is ever taken
for a path of this machine.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, final

import msgspec
import trio

from ipvm.daemon.failures import failed, json_answer
from ipvm.daemon.shapes import CallAnswer, CallRequest, RunAnswer, RunRequest
from ipvm.errors import (
    GuestError,
    InvalidArguments,
    InvalidData,
    IpvmError,
    LimitExceeded,
    NotFound,
    Unavailable,
)
from ipvm.files import parse_tree_path
from ipvm.ipld import Cid, InvalidEncoding, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Receipt, to_result
from ipvm.node import Node
from ipvm.runtime.running import RunOptions
from ipvm.web import Answer

__all__ = ["Bounds", "Operations"]

_IMMUTABLE: Final = ("Cache-Control", "public, max-age=29030400, immutable")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may ask for.

    Attributes:
        fuel: Fuel of one call.
        memory: Bytes that the memories of one call may take together.
        seconds: How long one request may take.
    """

    fuel: int = FUEL_DEFAULT
    memory: int = MEMORY_DEFAULT
    seconds: float = 60.0


@final
class Operations:
    """What can be done over HTTP.

    Attributes:
        runs: Functions and commands that have ended.
        fuel_used: Fuel that all of them together have used, where it is known.
    """

    def __init__(self, node: Node, bounds: Bounds) -> None:
        self._node = node
        self._bounds = bounds
        self.runs = 0
        self.fuel_used = 0

    async def call(self, asked: CallRequest) -> Answer:
        """Call a function."""
        with self._within(asked):
            async with AsyncExitStack() as stack:
                if asked.receipt:  # what it is about must not be collected before it is pinned
                    await stack.enter_async_context(self._node.pins.lease())
                return await self._call(asked)

    async def _call(self, asked: CallRequest) -> Answer:
        program = await self._node.load(
            _target(asked.target),
            fuel=_bounded("fuel", asked.fuel, self._bounds.fuel, FUEL_DEFAULT),
            memory=_bounded("memory", asked.memory, self._bounds.memory, MEMORY_DEFAULT),
            profile=asked.profile,
        )
        function = program[asked.function]
        began = trio.current_time()
        record: dict[str, object] = {}
        if asked.receipt:
            receipt = await function.receipt(*asked.args)
            await self._node.pins.keep(function.pins_of(receipt))
            record = {"invocation": str(receipt.invocation), "receipt": str(receipt.cid)}
            self._note(receipt.fuel)
            if receipt.error is not None:
                return failed(receipt.error, **record, fuel=receipt.fuel)
            value, fuel = receipt.value, receipt.fuel
            record["reads"] = [str(cid) for cid in receipt.reads]
        else:
            try:
                measured = await function.measured(*asked.args)
            except GuestError as error:
                self._note(error.fuel_used)
                raise
            value, fuel = measured.value, measured.fuel
            self._note(fuel)
        answer = CallAnswer(
            cid=str(function.cid),
            function=function.name,
            signature=function.signature,
            value=to_result(function.signature, value),
            fuel=fuel,
            seconds=trio.current_time() - began,
        )
        fields = {**_fields(answer), "signature": function.signature.to_value(), **record}
        try:
            return json_answer(200, fields)
        except InvalidEncoding as error:
            how = "with `receipt` it is kept, and /ipfs/CID?format=raw has it in DAG-CBOR"
            raise InvalidData(f"the result is {error}; {how}") from error

    async def run(self, asked: RunRequest) -> Answer:
        """Run a command."""
        with self._within(asked):
            root = _target(asked.target)
            options = RunOptions(
                env=asked.env,
                mounts={path: await self._content(each) for path, each in asked.mounts.items()},
                outputs=asked.outputs,
                fuel=_bounded("fuel", asked.fuel, self._bounds.fuel, FUEL_DEFAULT),
                memory=_bounded("memory", asked.memory, self._bounds.memory, MEMORY_DEFAULT),
                profile=asked.profile,
                pin=asked.pin,
            )
            if asked.input is not None:
                options["input"] = await self._content(asked.input)
            if asked.stdin is not None:
                options["stdin"] = _stdin(asked.stdin)
            if asked.workdir is not None:
                options["workdir"] = asked.workdir
            result = await self._node.run(root, asked.args, **options)
        self._note(result.fuel)
        if result.error is not None:
            record = {"invocation": str(result.invocation), "receipt": str(result.cid)}
            return failed(result.error, **record, fuel=result.fuel)
        answer = RunAnswer(
            invocation=str(result.invocation),
            record=str(result.cid),
            exit=result.exit,
            stdout=str(result.stdout),
            stderr=str(result.stderr),
            outputs={path: str(cid) for path, cid in result.outputs.items()},
            reads=tuple(str(cid) for cid in result.reads),
            fuel=result.fuel,
        )
        return json_answer(200, {**_fields(answer), "reads": [*answer.reads]})

    async def receipt(self, name: str) -> Answer:
        """Give a receipt that is here. Whoever asks needs no token, and so nothing is fetched."""
        cid = Cid.parse(name)
        try:
            block = await self._node.store.get(cid)
        except NotFound:
            raise
        except IpvmError as error:  # whose message may name folders
            raise Unavailable("this cannot be read now") from error
        try:
            record = Receipt.from_block(block)
        except InvalidData as error:
            raise NotFound(f"{cid} is no receipt") from error
        return json_answer(200, record.to_value(), _IMMUTABLE, ("Etag", f'"{cid}.receipt"'))

    def _note(self, fuel: int | None) -> None:
        self.runs += 1
        self.fuel_used += fuel or 0

    @contextmanager
    def _within(self, asked: CallRequest | RunRequest) -> Iterator[None]:
        seconds = min(asked.timeout or self._bounds.seconds, self._bounds.seconds)
        with trio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise LimitExceeded(
                "timeout_seconds",
                seconds,
                how=f"the server allows no more than {self._bounds.seconds:g}",
            )

    async def _content(self, value: Value) -> Cid:
        """Give the CID of a file or folder; what is no link and no path below a CID is refused."""
        if isinstance(value, Cid):
            return value
        if isinstance(value, str):
            return (await self._node.files.resolve(parse_tree_path(value))).node.cid
        raise InvalidArguments('content is a link, {"/": "bafy…"}, or text like "bafy…/a/b"')


def _fields(answer: msgspec.Struct) -> dict[str, object]:
    names = zip(answer.__struct_fields__, answer.__struct_encode_fields__, strict=True)
    return {encoded: getattr(answer, name) for name, encoded in names}


def _target(text: str) -> Cid:
    return Cid.parse(text.removeprefix("ipfs://").removeprefix("/ipfs/"))


def _bounded(name: str, asked: int | None, maximum: int, usual: int) -> int:
    if asked is None:
        return min(usual, maximum)
    if asked > maximum:
        raise LimitExceeded(f"request_{name}", maximum, found=asked, how="the server sets it")
    return asked


def _stdin(value: Value) -> Cid | bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Cid | bytes):
        return value
    raise InvalidArguments("stdin is text, bytes, or a link to a file")
