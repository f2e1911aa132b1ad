"""What is public is listed here, so that it does not change by accident."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import ipvm

PUBLIC = [
    "Answer", "Batch", "Block", "Blockstore", "Cid", "Denied", "File", "Function", "Gateway", "GuestError", "GuestFrame",
    "InvalidArguments", "InvalidData", "IpvmError", "Kubo", "LimitExceeded", "Limits", "LinkError",
    "Manifest", "Node", "NotFound", "Program", "Receipt", "Refused", "Session", "SessionClosed",
    "SessionFunction", "Signature", "Source", "StoreSource", "Unavailable", "Value", "open", "sync",
]  # fmt: skip

SHAPES = {
    ipvm.Node: {
        "add": "(source, **options)",
        "collect_garbage": "(*, dry_run=False)",
        "compiling": "",
        "get": "(cid)",
        "get_value": "(cid)",
        "load": "(target, *, fuel=100000000000, memory=1073741824, profile='deterministic')",
        "publication": "(path, *, pin=True, announce=False)",
        "publish": "(path, *, pin=True, announce=False)",
        "put": "(data, *, codec=85)",
        "put_value": "(value, *, codec=113)",
        "relink": "(target, imports)",
        "resolve": "(target)",
        "run": "(target, arguments=(), **options)",
        "session": "(target, *, fuel=100000000000, memory=1073741824, profile='deterministic')",
        "survey": "(target)",
    },
    ipvm.Program: {"functions": "", "session": "()", "using": "(*, fuel=None, memory=None)"},
    ipvm.Function: {
        "map": "(values, *, concurrency=None)",
        "measured": "(*arguments)",
        "pins_of": "(receipt)",
        "receipt": "(*arguments)",
        "receipts": "(values, *, concurrency=None)",
    },
    ipvm.Session: {"functions": "", "is_speaking_here": ""},
    ipvm.SessionFunction: {"measured": "(*arguments)"},
    ipvm.Batch: {},
    ipvm.Receipt: dict.fromkeys(
        ("cid", "error", "fuel", "invocation", "reads", "record", "signature", "value"), ""
    ),
}
OPEN = (
    "(*, store=None, offline=False, sources=None, peers=(), limits=None, on_log=None, "
    "on_answer=None, cache=True)"
)


def shape(member: object) -> str:
    """The parameters of a function, without types; nothing for what is no function."""
    if not inspect.isfunction(member):
        return ""
    parameters = inspect.signature(member).parameters.values()
    bare = [each.replace(annotation=each.empty) for each in parameters if each.name != "self"]
    return str(inspect.Signature(bare))


def public(kind: type) -> dict[str, str]:
    return {name: shape(getattr(kind, name)) for name in dir(kind) if not name.startswith("_")}


def test_the_package_offers_what_is_listed() -> None:
    assert ipvm.__all__ == PUBLIC
    for name in PUBLIC:
        assert getattr(ipvm, name) is not None
        assert name in dir(ipvm)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = ipvm.nope


@pytest.mark.parametrize("kind", SHAPES)
def test_a_class_offers_what_is_listed(kind: type) -> None:
    assert public(kind) == SHAPES[kind]


def test_both_ways_to_open_a_node_take_the_same() -> None:
    assert shape(inspect.unwrap(ipvm.open)) == shape(inspect.unwrap(ipvm.sync.open)) == OPEN


@pytest.mark.parametrize(
    ("blocking", "kind"),
    [
        (ipvm.sync.SyncNode, ipvm.Node),
        (ipvm.sync.SyncProgram, ipvm.Program),
        (ipvm.sync.SyncFunction, ipvm.Function),
        (ipvm.sync.SyncSession, ipvm.Session),
        (ipvm.sync.SyncSessionFunction, ipvm.SessionFunction),
    ],
)
def test_what_blocks_offers_what_does_not(blocking: type, kind: type) -> None:
    shapes = {name: taken for name, taken in SHAPES[kind].items() if taken}
    assert {name: shape(getattr(blocking, name)) for name in shapes} == shapes


def test_every_error_has_an_exit_code_and_one_root() -> None:
    codes = {
        name: getattr(ipvm, name).exit_code
        for name in PUBLIC
        if isinstance(getattr(ipvm, name), type) and issubclass(getattr(ipvm, name), Exception)
    }
    assert codes == {
        "Denied": 7, "GuestError": 5, "InvalidArguments": 4, "InvalidData": 4, "IpvmError": 1,
        "LimitExceeded": 6, "LinkError": 8, "NotFound": 3, "Refused": 6,
        "SessionClosed": 6, "Unavailable": 9,
    }  # fmt: skip


def test_everything_public_is_documented() -> None:
    for name in PUBLIC:
        found = getattr(ipvm, name)
        if name != "Value":
            assert inspect.getdoc(found), name
        if inspect.isclass(found) and found.__module__.startswith("ipvm"):
            for member in vars(found).values():
                if inspect.isfunction(member) and not member.__name__.startswith("_"):
                    assert inspect.getdoc(member), f"{name}.{member.__name__}"


PROGRAM = """
import ipvm, trio

async def main() -> None:
    async with ipvm.open() as rt:
        poly = await rt.load("bafy")
        value: ipvm.Value = await poly.eval([1.0, 2.0, 3.0], 2.0)
        receipt: ipvm.Receipt = await poly["eval"].receipt([1.0], 2.0)
        cid: ipvm.Cid = await rt.publish("examples/02-link/poly")
        data: bytes = await rt.get(await rt.put(b""))
        cid = await rt.add(b"")
        async with rt.session(cid) as session, poly.session() as other_session:
            value = await session.eval([1.0], 2.0)
        values: list[ipvm.Value] = await poly.eval.map([([1.0], 2.0)])
        async with poly.eval.receipts([([1.0], 2.0)]) as receipts:
            async for receipt in receipts:
                cid = receipt.cid
    with ipvm.sync.open(store="somewhere", offline=True) as blocking:
        other: ipvm.Value = blocking.load(cid).eval([1.0], 2.0)
        for other in blocking.load(cid).eval.map([([1.0], 2.0)]):
            print(other)
        with blocking.session(cid) as living:
            other = living.eval([1.0], 2.0)

trio.run(main)
"""


@pytest.mark.slow
def test_a_program_that_uses_it_passes_strict_type_checks(tmp_path: Path) -> None:
    mypy = pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", mypy.__name__, "--strict", "program.py"]
    environment = {"MYPYPATH": str(Path(ipvm.__file__).parents[1])}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
