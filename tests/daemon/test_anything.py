"""Whatever is posted has an answer that the description has."""

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings, strategies as st

if TYPE_CHECKING:
    from tests.daemon.conftest import Check, Published, Server

TEXT = st.text(max_size=8) | st.sampled_from(["", "/", "..", "\0", "/etc/passwd", "NaN", "LINK"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    PLAIN | st.sampled_from([{"/": "LINK"}, {"/": {"bytes": "AP8"}}, {"/": ""}]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT, each, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"target": st.just("LINK") | VALUES},
    optional={
        **dict.fromkeys(("args", "env", "fuel", "input", "memory", "mounts", "outputs"), VALUES),
        **dict.fromkeys(("pin", "profile", "receipt", "stdin", "workdir", "other"), VALUES),
        "function": st.sampled_from(["add", "divide", "nothing", "trap"]) | VALUES,
    },
)


@settings(max_examples=100)
@given(path=st.sampled_from(["/v1/call", "/v1/run"]), asked=FIELDS | VALUES)
def test_whatever_is_posted_has_an_answer_that_is_described(
    server: "Server", published: "Published", described: "Check", path: str, asked: object
) -> None:
    got = server.post(path, json.dumps(asked).replace("LINK", published.math).encode())
    assert got.status < 500
    described(got, "POST", path)
