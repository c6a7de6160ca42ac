"""How often one caller may ask."""

from __future__ import annotations

from tocsin.serve.limits import Limit


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_as_many_as_are_allowed_pass_and_more_as_time_goes_by() -> None:
    now = Now()
    limit = Limit(60, now)
    assert [limit.wait_s("a") for _ in range(61)] == [0.0] * 60 + [1]
    now.s += 1
    assert (limit.wait_s("a"), limit.wait_s("a") > 0) == (0.0, True)


def test_whoever_waits_is_not_punished_for_asking() -> None:
    now = Now()
    limit = Limit(1, now)
    limit.wait_s("a")
    for _ in range(10):
        now.s += 5
        assert limit.wait_s("a") > 0
    now.s += 10.001
    assert limit.wait_s("a") == 0.0


def test_callers_do_not_take_from_each_other_and_memory_is_bounded() -> None:
    limit = Limit(1, Now(), callers_max=2)
    assert [limit.wait_s(each) for each in "abc"] == [0.0] * 3
    assert len(limit._left) == 2
