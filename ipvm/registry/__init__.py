"""What lies between the names that people use and the CIDs that functions have.

Who calls a function by its CID needs none of what publishes one, so that is imported when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from ipvm.registry.target import CidTarget, InvalidTarget, PathTarget, Target, parse_target

if TYPE_CHECKING:
    from ipvm.registry.description import Description, InvalidDescription, parse_description
    from ipvm.registry.publishing import ImportCycle, Published, preview, publish
    from ipvm.registry.relinking import relink

__all__ = [
    "CidTarget",
    "Description",
    "ImportCycle",
    "InvalidDescription",
    "InvalidTarget",
    "PathTarget",
    "Published",
    "Target",
    "parse_description",
    "parse_target",
    "preview",
    "publish",
    "relink",
]

_HOME_OF: Final = {
    "Description": "description",
    "ImportCycle": "publishing",
    "InvalidDescription": "description",
    "Published": "publishing",
    "parse_description": "description",
    "preview": "publishing",
    "publish": "publishing",
    "relink": "relinking",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ipvm.registry' has no attribute {name!r}")
    return getattr(import_module(f"ipvm.registry.{_HOME_OF[name]}"), name)
