"""What a call came to, with the record that proves it."""

from dataclasses import dataclass
from typing import Final, final

from ipvm.errors import GuestError
from ipvm.ipld import Cid, Value
from ipvm.model import Receipt as ReceiptRecord, Signature, from_result

__all__ = ["Receipt"]

_SHOWN_MAX: Final = 1000
"""Characters of a result that are shown."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Receipt:
    """A receipt: what was asked, what came of it, and the CIDs of both.

    Attributes:
        cid: CID of the receipt. Two honest runs of the same work have the same.
        invocation: CID of what was asked: function, arguments and bounds.
        error: How the function ended without a result, if it did.
        fuel: Fuel used; None after a trap, where it is not known, and where it is not counted.
        reads: Blocks that the function asked for while it ran, sorted by their bytes.
        record: The record as it is stored.
    """

    cid: Cid
    invocation: Cid
    signature: Signature
    error: GuestError | None
    fuel: int | None
    reads: tuple[Cid, ...]
    record: ReceiptRecord

    @property
    def value(self) -> Value:
        """The result.

        Raises:
            GuestError: There is none, because the function failed.
        """
        if self.error is not None:
            raise self.error
        return from_result(self.signature, self.record.out.to_value()["ok"])

    def __repr__(self) -> str:
        return f"<receipt {self.cid}: {self._outcome()}>"

    def _repr_html_(self) -> str:
        import html  # noqa: PLC0415 - for notebooks alone

        rows = {
            "receipt": self.cid,
            "invocation": self.invocation,
            "fuel": "not known" if self.fuel is None else f"{self.fuel:,}",
            "reads": f"{len(self.reads)} blocks",
        }
        cells = "".join(
            f"<tr><th>{name}</th><td><code>{html.escape(str(shown))}</code></td></tr>"
            for name, shown in {"result": self._outcome(), **rows}.items()
        )
        return f"<table>{cells}</table>"

    def _outcome(self) -> str:
        text = repr(self.value) if self.error is None else str(self.error)
        return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
