"""What a guest says is text when it leaves the sandbox, whatever the guest wrote."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.errors import GuestError
from ipvm.host import ErrorNumber
from ipvm.limits import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]


async def said(puppet: "Puppet", data: bytes) -> str:
    puppet.write(64, data)
    assert await puppet.call("log", 64, len(data)) == 0
    return puppet.world.services.logs[-1][1]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        ("Grüße, 世界 🌍".encode(), "Grüße, 世界 🌍"),
        (b"a\0b\x1b[31m", "a\0b\x1b[31m"),
        (b"\xff", "\ufffd"),
        (b"half \xc3", "half \ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
    ],
)
async def test_a_message_is_text_and_what_is_not_is_replaced(
    puppet: "Puppet", data: bytes, text: str
) -> None:
    assert await said(puppet, data) == text


def test_any_message_can_be_encoded_and_has_a_bound(make_world: MakeWorld) -> None:
    puppet = make_world().puppets[0]

    @given(st.binary(max_size=60), st.integers(1, 1100))
    def check(data: bytes, times: int) -> None:
        repeated = (data * times)[:MESSAGE_BYTES_MAX]
        puppet.write(64, repeated)
        assert puppet.run("log", 64, len(repeated)) == 0
        ((_, message),) = puppet.world.services.logs[-1:]
        assert len(message.encode()) <= MESSAGE_BYTES_MAX
        assert repeated.decode("utf-8", "replace").startswith(message)

    check()


async def test_a_message_may_have_65536_bytes_and_no_more(puppet: "Puppet") -> None:
    assert await puppet.call("log", 0, MESSAGE_BYTES_MAX) == 0
    assert await puppet.call("log", 0, MESSAGE_BYTES_MAX + 1) == ErrorNumber.LIMIT_EXCEEDED
    assert await puppet.call("log", 0, 2**32 - 1) == ErrorNumber.ILLEGAL_ARGUMENT
    assert len(puppet.world.services.logs) == 1


async def test_a_message_carries_the_number_of_its_guest(make_world: MakeWorld) -> None:
    world = make_world(pages=[2, 2, 2])
    guests = world.puppets
    for number in (2, 0, 1):
        await guests[number].call("log", 0, 0)
    assert [guest for guest, _ in world.services.logs] == [2, 0, 1]


@pytest.mark.parametrize("code", [0, 1, 2**31, 2**32 - 1])
async def test_an_abort_ends_the_guest_with_its_code_and_message(
    puppet: "Puppet", code: int
) -> None:
    puppet.write(64, b"enough")
    with pytest.raises(GuestError, match="enough") as caught:
        await puppet.call("abort", code, 64, 6)
    error = caught.value
    assert (error.kind, error.code, error.detail) == ("abort", code, "enough")


@pytest.mark.parametrize(
    ("message", "size"),
    [(0, MESSAGE_BYTES_MAX + 1), (2**32 - 1, 1), (0, 2**32 - 1), (2 * 65536, 1), (2**31, 0)],
)
async def test_an_abort_whose_message_cannot_be_read_aborts_all_the_same(
    puppet: "Puppet", message: int, size: int
) -> None:
    with pytest.raises(GuestError) as caught:
        await puppet.call("abort", 7, message, size)
    assert (caught.value.code, caught.value.detail) == (7, "")


async def test_an_abort_with_bytes_that_are_no_text_has_text(puppet: "Puppet") -> None:
    puppet.write(64, b"\xffno")
    with pytest.raises(GuestError) as caught:
        await puppet.call("abort", 1, 64, 3)
    assert caught.value.detail == "\ufffdno"


@given(st.text())
def test_the_message_of_an_error_shows_what_a_guest_said_escaped(text: str) -> None:
    shown = str(GuestError("abort", text, code=3))
    assert shown.removeprefix("the function ended by abort with code 3: ") == "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )
    assert GuestError("abort", text).detail == text
