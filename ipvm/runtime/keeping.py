"""Say which pins keep a program: links lead to all of it but for what is imported by a name that is a CID."""

from collections.abc import Iterable

from ipvm.ipld import Cid
from ipvm.linker import CompiledProgram, named_by_cid
from ipvm.store import Pin
from ipvm.wasm import ModuleInfo

__all__ = ["pins_of_record", "pins_with"]


def pins_with(pin: Pin, modules: Iterable[ModuleInfo]) -> list[Pin]:
    """Give a pin, and those of what the modules of its program import by a CID as the name.

    Each of these has the CID as its name, and stays when the program is published anew: others may
    import the same.
    """
    others = named_by_cid(modules)
    return [pin, *[Pin(cid=cid, reach="partial", name=str(cid)) for cid in others]]


def pins_of_record(cid: Cid, program: CompiledProgram) -> list[Pin]:
    """Give the pins that keep the record of a run, and the program that ran."""
    return pins_with(Pin(cid=cid, reach="partial"), [node.info for node in program.plan.nodes])
