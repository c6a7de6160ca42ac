"""How a run speaks: tables at its end, and one line as the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Final

from tests.chaos.tell import WRONG
from tests.deploy.upgrade.fleet import CONSUMERS, Rolled
from tests.deploy.upgrade.idle import longest
from tests.deploy.upgrade.run import Outcome, session_s

SHOWN_MAX: Final = 20
"""Lines of one kind that are printed."""


def as_text(outcome: Outcome) -> str:
    """For a person; its last line is the verdict."""
    found = outcome.findings
    settled = "not within its time" if outcome.settled_s is None else f"{outcome.settled_s:.0f} s after the load"
    lines = [
        *_replaced(outcome.rolled),
        "",
        *_partitions(outcome),
        "",
        f"events {found.events}, all ended {settled}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(found.endings.items())),
        f"flags told again {found.repeated}, superseded reports {found.superseded}, uncommitted {found.uncommitted}",
        *(f"  {name}: {line}" for field, name in WRONG.items() for line in getattr(found, field)[:SHOWN_MAX]),
        *(f"  wrong: {line}" for line in outcome.wrong[:SHOWN_MAX]),
        f"events {found.events} lost {found.lost} duplicated {found.duplicated} wrong {_otherwise(outcome)} "
        f"idle {outcome.idlest_s:.1f} s of {outcome.bound_s:.0f} s + {outcome.slowest_s:.1f} s",
    ]
    return "\n".join(lines)


def _otherwise(outcome: Outcome) -> int:
    """Findings that are neither a loss nor a double, and all that did not go as the page on operations says."""
    counted = {"losses", "duplicated_reports", "duplicated_endings"}
    named = [each.name for each in fields(outcome.findings) if each.name in WRONG and each.name not in counted]
    return sum(len(getattr(outcome.findings, name)) for name in named) + len(outcome.wrong)


def _replaced(rolled: Sequence[Rolled]) -> Iterator[str]:
    yield f"{'rolled out':36} {'process':10} {'ended in s':>10} {'exit':>4} {'ready in s':>10} {'away s':>6}"
    for each in rolled:
        for process in each.replaced:
            ended, ready = process.gone - process.began, process.ready - process.gone
            yield (
                f"{each.deployment.name:36} {process.process:10} {ended:10.1f} {process.exit_code:4} {ready:10.1f} {process.away_s:6.1f}"
            )
        slow = [process.process for process in each.replaced if process.process in CONSUMERS and process.away_s >= session_s()]
        yield (
            f"{each.deployment.name:36} assignments moved: {each.rebalances}"
            + (f" ({', '.join(slow)} took longer than a session, {session_s():.0f} s)" if slow else "")
            + f"; by {each.deployment.version.name}, number {each.deployment.edition}"
        )


def _partitions(outcome: Outcome) -> Iterator[str]:
    """For each partition, the longest that it stood still with work in hand, in each part of the run."""
    spans = [("before", outcome.steady), *((each.deployment.name, (each.began, each.ended)) for each in outcome.rolled)]
    columns = [longest(outcome.gaps, *span) for _, span in spans]
    names = ["before", *(f"roll-out {number}" for number in range(1, len(spans)))]
    yield "longest time in seconds that a partition had work and ended nothing"
    yield f"{'partition':>9}" + "".join(f" {name:>11}" for name in names)
    for partition in sorted({each.partition for each in outcome.gaps}):
        yield f"{partition:>9}" + "".join(f" {column[partition]:11.1f}" if partition in column else f" {'-':>11}" for column in columns)
    yield f"{'bound':>9} {outcome.bound_s:11.1f}  TOCSIN_CONSUME__DRAIN_TIMEOUT_S, TOCSIN_KAFKA__SESSION_TIMEOUT_MS, and 3 s"
    yield f"{'and':>9} {outcome.slowest_s:11.1f}  the longest that an ending took on this machine before anything was rolled out"
    yield from (f"  beyond the bound: partition {gap.partition}, {gap.seconds:.1f} s" for gap in outcome.overlong)
