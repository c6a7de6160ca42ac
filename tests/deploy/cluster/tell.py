"""The outcomes for a person: a table of steps by way to install, then each fault, then one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.deploy.cluster.run import Outcome

STEP_WIDTH, WIDTH = 34, 18
FAULTS_SHOWN = 12


def as_text(outcomes: Sequence[Outcome]) -> str:
    """Everything, for a terminal."""
    return "\n".join([*_table(outcomes), *_faults(outcomes), "", last_line(outcomes)])


def last_line(outcomes: Sequence[Outcome]) -> str:
    """How much was tried, and how many faults there are."""
    ways, faults = {each.way for each in outcomes}, sum(len(each.faults or ()) for each in outcomes)
    steps = sum(each.faults is not None for each in outcomes)
    return f"ways {len(ways)} steps {steps} faults {faults} seconds {sum(each.took_s for each in outcomes):.0f}"


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    ways = list(dict.fromkeys(each.way for each in outcomes))
    cells = {(each.step, each.way): _cell(each) for each in outcomes}
    yield f"{'':<{STEP_WIDTH}}" + "".join(f"{way:>{WIDTH}}" for way in ways)
    for step in dict.fromkeys(each.step for each in outcomes):
        yield f"{step:<{STEP_WIDTH}}" + "".join(f"{cells.get((step, way), 'not tried'):>{WIDTH}}" for way in ways)


def _cell(outcome: Outcome) -> str:
    if outcome.faults is None:
        return "-"
    count = len(outcome.faults)
    return f"{f'{count} fault' + 's' * (count > 1) if count else 'ok'} {outcome.took_s:5.1f} s"


def _faults(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.faults:
            yield f"\n{outcome.way}: {outcome.step}"
            yield from (f"  - {fault}" for fault in outcome.faults[:FAULTS_SHOWN])
            yield from (f"  - and {len(outcome.faults) - FAULTS_SHOWN} more",) if len(outcome.faults) > FAULTS_SHOWN else ()
