"""What lies between the names that people use and the CIDs that functions have."""

from ipvm.registry.description import Description, InvalidDescription, parse_description
from ipvm.registry.publish import ImportCycle, Published, preview, publish
from ipvm.registry.relink import relink
from ipvm.registry.target import CidTarget, InvalidTarget, PathTarget, Target, parse_target

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
