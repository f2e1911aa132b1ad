"""The bounds of a call, and what it took."""

from dataclasses import dataclass

from ipvm.engine import PROFILES
from ipvm.errors import InvalidArguments
from ipvm.ipld import Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Profile

__all__ = ["CallOptions", "Measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The bounds of a call, which are part of its invocation.

    Attributes:
        fuel: Fuel that the call may use, and the calls it makes; about 10^9 are a second.
        memory: Bytes that its linear memories may take together, and again its open blocks.
        profile: `deterministic`, or `fast`, which counts no fuel.

    Raises:
        InvalidArguments: A bound is not positive, or there is no such profile.
    """

    fuel: int = FUEL_DEFAULT
    memory: int = MEMORY_DEFAULT
    profile: Profile = "deterministic"

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise InvalidArguments(f'no profile "{self.profile}"; there are {", ".join(PROFILES)}')
        if not 0 < self.fuel < 2**63:
            raise InvalidArguments(f"fuel is a number from 1 to 2^63 - 1, not {self.fuel}")
        if not 0 < self.memory < 2**63:
            raise InvalidArguments(f"memory is a number of bytes from 1, not {self.memory}")

    def fuel_for(self, profile: Profile) -> int | None:
        """Give the fuel; None in a profile that counts none."""
        return self.fuel if profile == "deterministic" else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a call gave, and the fuel that it used; None where the profile counts none."""

    value: Value
    fuel: int | None
