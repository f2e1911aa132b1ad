"""From a root CID to live instances: gather the closure, check every link, instantiate in order."""

from ipvm.linker.conditions import (
    ImportMismatch,
    InvalidCode,
    NotCode,
    SignatureMismatch,
    UnsatisfiedImport,
)
from ipvm.linker.layout import Layout
from ipvm.linker.linked import LinkedStore
from ipvm.linker.names import named_by_cid
from ipvm.linker.plan import Export, LinkPlan, PlanNode, Survey, SurveyNode, Wire
from ipvm.linker.planner import Planner
from ipvm.linker.program import CompiledProgram
from ipvm.linker.recipe import INITIALIZER, START_EXPORT, Recipe, recipe_of
from ipvm.linker.resolve import plan, survey
from ipvm.linker.stored import UnreadablePlan, plan_form, read_plan, write_plan

__all__ = [
    "INITIALIZER",
    "START_EXPORT",
    "CompiledProgram",
    "Export",
    "ImportMismatch",
    "InvalidCode",
    "Layout",
    "LinkPlan",
    "LinkedStore",
    "NotCode",
    "PlanNode",
    "Planner",
    "Recipe",
    "SignatureMismatch",
    "Survey",
    "SurveyNode",
    "UnreadablePlan",
    "UnsatisfiedImport",
    "Wire",
    "named_by_cid",
    "plan",
    "plan_form",
    "read_plan",
    "recipe_of",
    "survey",
    "write_plan",
]
