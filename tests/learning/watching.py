"""How often the watch alarms falsely, and how soon it alarms: `python -m tests.learning.watching` (minutes) prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
from tocsin.learning.types import Scored
from tocsin.learning.watch import performance
from tocsin.learning.watch.inputs import Baseline, Judged, Rules, baseline_of, looks
from tocsin.learning.watch.performance import Case, Sites
from tocsin.learning.watch.types import ANY

RULES = Rules(window_days=28, histogram_days=7, batch_min=20, false_alarm_days=365.0)
"""As the settings have them unless told."""
REFUSED = 0.05
"""Share of pictures that are not assessable."""
FIRST = date(2026, 1, 1)


def score(chance: np.random.Generator, shift: float = 0.0) -> float:
    """A score as models give them: most low, some high."""
    return float(np.clip(chance.beta(0.6, 2.4) + shift, 0, 1))


def baseline(chance: np.random.Generator, pictures: int, refused: float = REFUSED) -> Baseline:
    """Of an evaluation of so many pictures."""
    rows = [Scored("p", None, "blurred") if chance.random() < refused else Scored("p", score(chance)) for _ in range(pictures)]
    found = baseline_of(rows, lambda each: each, {"blurred"})
    assert found is not None
    return found


def flow(
    chance: np.random.Generator,
    until: date,
    days: int,
    daily: float,
    *,
    shift: float = 0.0,
    refused: float = REFUSED,
    reason: str = "blurred",
) -> list[Judged]:
    """What came in on the days before `until`."""
    found = []
    for back in range(days, 0, -1):
        for _ in range(chance.poisson(daily)):
            day = until - timedelta(days=back)
            found.append(Judged(day, None, reason) if chance.random() < refused else Judged(day, score(chance, shift)))
    return found


def first_alarms(chance: np.random.Generator, days: int, daily: float, pictures: int, **changes: float) -> dict[str, int]:
    """Signal -> days until its first alarm where somebody looks each day; `changes` of the flow begin after 28 days, the count too."""
    before, until = baseline(chance, pictures), FIRST + timedelta(days=RULES.window_days)
    judged, found = flow(chance, until, RULES.window_days, daily), dict[str, int]()
    for day in range(1, days + 1):
        today = until + timedelta(days=day)
        kept = [each for each in judged if each.day >= today - timedelta(days=RULES.window_days)]
        judged = kept + flow(chance, today, 1, daily, shift=changes.get("shift", 0.0), refused=changes.get("refused", REFUSED))
        for each in looks(judged, before, RULES, today):
            if each.state == "alarm":
                found.setdefault(each.signal, day)
    return found


def first_miss_alarm(chance: np.random.Generator, rate: float, cancers: int) -> int | None:
    """Cancers until the alarm that some class or body site is missed too often, of four classes and five sites; None: it never came."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    groups, regions = ("mel", "bcc", "scc", "other"), ("arm", "head-or-neck", "leg-or-genital", "trunk", "other-or-not-known")
    cases = [Case(at, str(chance.choice(groups)), bool(chance.random() < rate), f"Media/{each}") for each in range(cancers)]
    sites = Sites(regions, {each.media: str(chance.choice(regions)) for each in cases})

    def alarms(count: int) -> bool:
        found = performance.looks("misses", cases[:count], groups, 0.05, 0.05, sites)
        return any(each.group == ANY and each.state == "alarm" for each in found)

    return _first(alarms, cancers)


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """The least count that holds, of what holds for all greater ones once it does."""
    if not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _lines() -> Iterator[str]:
    chance, runs, days = np.random.default_rng(39), 40, 180
    for daily, pictures in ((30, 1_000), (100, 2_000)):
        found = [first_alarms(chance, days, daily, pictures) for _ in range(runs)]
        told = {name: sum(name in each for each in found) for name in ("score-histogram", "score-mean", "reasons", "not-assessable")}
        yield f"{daily} a day against {pictures}, no change: half years of {runs} with a false alarm (16 at one in 365 days): {told}"
    for name, changes in (("scores 0.05 higher", {"shift": 0.05}), ("not assessable 5 % -> 10 %", {"refused": 0.1})):
        found = [first_alarms(chance, 28, 100, 2_000, **changes) for _ in range(20)]
        signals = sorted({signal for each in found for signal in each})
        medians = {signal: float(np.median([each.get(signal, 999) for each in found])) for signal in signals}
        yield f"100 a day, {name}: median days to the alarm {medians}"
    for rate, runs in ((0.05, 400), (0.15, 100), (0.2, 100), (0.3, 100)):
        counts = [first_miss_alarm(chance, rate, 300) for _ in range(runs)]
        known = [each for each in counts if each is not None]
        median = float(np.median([999 if each is None else each for each in counts]))
        yield f"missed {rate:.0%} against 5 %: alarms in {len(known)} of {runs} series of 300 cancers, median at {median:g}"


def main() -> None:
    """Print the figures."""
    for line in _lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
