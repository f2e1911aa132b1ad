"""How sides are measured: in turns, each as often as fits, and compared round by round."""

import pytest

from benchmarks.measure import Rounds, each_of, in_turns, one_by_one, percentile, seconds_of
from benchmarks.row import Effort


def test_the_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    rounds = Rounds({"ipvm": [1, 2, 90], "rival": [2, 1, 100]})
    line = rounds.line("rival")
    assert line.ratio == 0.9
    assert (line.ours, line.rival) == (2, 2)
    assert line.spread == (0.7, 1.45)


def test_a_line_says_who_the_rival_is_and_whether_the_bar_is_met() -> None:
    rounds = Rounds({"ipvm": [1.0], "rival": [2.0]})
    line = rounds.line("rival", part="a part", bar=0.5)
    assert (line.beside, line.part, line.met) == ("rival", "a part", True)
    assert rounds.line("rival", bar=0.49).met is False
    assert rounds.line("rival").met is None


def test_a_bar_on_our_figure_is_not_for_the_ratio() -> None:
    rounds = Rounds({"ipvm": [0.02], "rival": [0.001]})
    assert rounds.line("rival", bar=0.02, bar_on="ours").met is True
    assert rounds.line("rival", bar=0.019, bar_on="ours").met is False


def test_a_rival_that_did_not_take_part_has_no_line() -> None:
    rounds = Rounds({"ipvm": [1.0], "here": [1.0]})
    assert [line.beside for line in rounds.lines({"absent": 1, "here": None})] == ["here"]


async def test_sides_run_in_turns_and_each_goes_first_as_often(effort: Effort) -> None:
    ran: list[str] = []

    async def a(times: int) -> None:
        ran.extend("a" * times)

    async def b(times: int) -> None:
        ran.extend("b" * times)

    async def c(times: int) -> None:
        ran.extend("c" * times)

    rounds = await in_turns({"a": a, "b": b, "c": c}, effort)
    assert {len(seconds) for seconds in rounds.seconds.values()} == {6}
    turns = "".join(ran)[-18:]
    firsts = turns[::3]
    assert sorted(firsts) == ["a", "a", "b", "b", "c", "c"]
    assert all(sorted(turns[at : at + 3]) == ["a", "b", "c"] for at in range(0, 18, 3))


async def test_a_side_may_measure_itself(effort: Effort) -> None:
    async def side(times: int) -> float:
        return 3.0 * times

    rounds = await in_turns({"side": side}, effort)
    assert rounds.seconds["side"] == [3.0] * 6


async def test_one_time_around_a_loop_is_a_share_of_the_loop() -> None:
    async def loop(times: int) -> float:
        return 8.0 * times

    assert await seconds_of(each_of(loop, 4), 5) == 2.0


async def test_what_one_call_in_five_exceeds_is_told(effort: Effort) -> None:
    count = 0

    async def side(times: int) -> float:
        nonlocal count
        if times == 1:
            count += 1
        return float(count % 5)

    rounds = await one_by_one({"side": side}, effort, share=0.2)
    assert rounds.seconds["side"] == [4.0] * 6


@pytest.mark.parametrize(("share", "found"), [(0, 1), (0.5, 3), (0.99, 5), (1, 5)])
def test_a_percentile_is_one_of_the_figures(share: float, found: float) -> None:
    assert percentile([5, 1, 4, 2, 3], share) == found
