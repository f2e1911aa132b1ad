"""Choose the form of an answer: `format` in the query says it, or else `Accept` does."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["CAR", "CAR_TYPE", "RAW", "RAW_TYPE", "Form", "NotAcceptable", "chosen_form"]

Form: TypeAlias = Literal["", "raw", "car", "dag-cbor", "dag-json"]
"""A block, a CAR, a value in one of two codecs; or, if empty, what a browser shows."""

RAW: Final = "raw"
CAR: Final = "car"
RAW_TYPE: Final = "application/vnd.ipld.raw"
CAR_TYPE: Final = "application/vnd.ipld.car"
_FORMS: Final[Mapping[str, Form]] = {
    RAW_TYPE: "raw",
    CAR_TYPE: "car",
    "application/vnd.ipld.dag-cbor": "dag-cbor",
    "application/vnd.ipld.dag-json": "dag-json",
}
_BY_NAME: Final[Mapping[str, Form]] = {form: form for form in _FORMS.values()}
_OTHER_FORMS: Final = frozenset({"application/x-tar", "application/vnd.ipfs.ipns-record"})
_TYPES_MAX: Final = 64


class NotAcceptable(Exception):
    """Nothing of what is asked for can be given. Its text names it."""


class _Accepted(NamedTuple):
    media_type: str
    quality: float
    parameters: Mapping[str, str]


def chosen_form(asked: str | None, accept: str) -> tuple[Form, Mapping[str, str]]:
    """Give the form, and the parameters of its media type where `Accept` names it.

    Args:
        asked: `format` of the query.
        accept: The header.

    Raises:
        NotAcceptable: There is no such form here.
    """
    accepted = sorted(_accepted(accept), key=lambda each: -each.quality)
    named = [each for each in accepted if each.media_type in _FORMS and each.quality > 0]
    if asked is not None:
        if asked not in _BY_NAME:
            raise NotAcceptable(f"the format {asked[:40]!a} is not served")
        form = _BY_NAME[asked]
        fitting = (each.parameters for each in named if _FORMS[each.media_type] == form)
        return form, next(fitting, {})
    if named and named[0].quality == accepted[0].quality:
        return _FORMS[named[0].media_type], named[0].parameters
    if accepted and all(each.media_type in _OTHER_FORMS for each in accepted):
        raise NotAcceptable(f"{accepted[0].media_type} is not served")
    return "", {}


def _accepted(header: str) -> list[_Accepted]:
    found = []
    for each in header.split(",")[:_TYPES_MAX]:
        media_type, *rest = (part.strip() for part in each.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        found.append(_Accepted(media_type.lower(), _quality(parameters.pop("q", "1")), parameters))
    return [each for each in found if each.media_type]


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
