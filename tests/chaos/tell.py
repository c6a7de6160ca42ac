"""How a run speaks: a line or a bar while it lasts, tables at its end, one JSON object for programs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from tests.chaos.auditor import Findings
from tests.chaos.plan import KINDS, Fault
from tests.chaos.run import Outcome, Tell
from tests.chaos.verdicts import Verdicts

SHOWN_MAX: Final = 20
"""Lines of one kind of finding that are printed; the JSON has all."""

WRONG: Final[Mapping[str, str]] = {
    "losses": "lost",
    "duplicated_reports": "duplicated reports",
    "duplicated_endings": "duplicated endings",
    "swaps": "under another patient",
    "out_of_order": "superseded out of order",
    "unexplained": "withdrawn without a word",
    "contradictions": "told otherwise than recorded",
    "aborted": "judged though never committed",
}
"""Field of the findings -> how it is called."""


def teller(faults: int) -> Tell:
    """A line on standard error for each fault; none where that is a terminal, which shows a bar."""
    began = time.monotonic()

    def line(fault: Fault, state: str) -> None:
        if not sys.stderr.isatty():
            print(f"{time.monotonic() - began:6.0f} s  {_named(fault, faults)}  {state}", file=sys.stderr, flush=True)

    return line


def _named(fault: Fault, faults: int) -> str:
    return f"{fault.number:3}/{faults} {fault.kind:16} {fault.target:9} {fault.lasts_s:4.1f} s"


def as_text(outcome: Outcome) -> str:
    """For a person; its last line is the verdict."""
    found = outcome.findings
    settled = "not within its time" if outcome.settled_s is None else f"{outcome.settled_s:.0f} s after the load"
    lines = [
        f"events published {found.events}, on the topic {found.records} (the load publishes some twice), all ended {settled}",
        "endings: " + ", ".join(f"{kind} {count}" for kind, count in sorted(found.endings.items())),
        f"superseded reports {found.superseded}, repeated flags {found.repeated}, uncommitted {found.uncommitted}",
        f"ends of processes that no fault brought about: {_deaths(outcome)}",
        "",
        *_recoveries(outcome),
        "",
        *_endured(outcome),
        "",
        *(f"{name}: {len(getattr(found, field))}" for field, name in WRONG.items()),
        _verdicts(found.verdicts),
        f"telemetry: {len(outcome.telemetry_wrong)}",
        *(f"  telemetry: {line}" for line in outcome.telemetry_wrong),
        *_details(found),
        f"faults {len(outcome.done)} events {found.events} lost {found.lost} duplicated {found.duplicated}",
    ]
    return "\n".join(lines)


def as_json(outcome: Outcome, seed: int) -> dict[str, Any]:
    """For a program."""
    return {
        "seed": seed,
        "lost": outcome.findings.lost,
        "duplicated": outcome.findings.duplicated,
        "clean": outcome.clean,
        "findings": asdict(outcome.findings),
        "settled_s": outcome.settled_s,
        "recoveries_s": outcome.recoveries,
        "faults": [asdict(done) for done in outcome.done],
        "deaths": [asdict(death) for death in outcome.deaths],
        "collector": [asdict(each) for each in outcome.endured],
        "telemetry_wrong": outcome.telemetry_wrong,
    }


def _verdicts(found: Verdicts) -> str:
    states = ", ".join(f"{state} {count}" for state, count in sorted(found.states.items())) or "none"
    wrong = f"lost {len(found.lost)}, doubled {len(found.doubled)}, overridden by the AI {len(found.overridden)}"
    return f"verdicts: acknowledged {found.acknowledged}, in the record {found.recorded} ({states}); {wrong}"


def _deaths(outcome: Outcome) -> str:
    counts = Counter((death.name, death.exit_code) for death in outcome.deaths if not death.struck)
    return ", ".join(f"{name} exit {code}: {count}" for (name, code), count in sorted(counts.items())) or "none"


def _recoveries(outcome: Outcome) -> list[str]:
    counts = Counter(done.fault.kind for done in outcome.done)
    rows = [f"{'fault':16} {'count':>5} {'alone':>5} {'median s':>8} {'max s':>6}"]
    for kind in KINDS:
        seconds = outcome.recoveries.get(kind.name, ())
        figures = f"{median(seconds):8.1f} {max(seconds):6.1f}" if seconds else f"{'-':>8} {'-':>6}"
        rows.append(f"{kind.name:16} {counts[kind.name]:5} {len(seconds):5} {figures}")
    rows.append("alone: of these are the seconds, since nothing else went wrong before events ended again: from the end of the trouble, or")
    rows.append(
        "the part's being ready, to the next flag; of a killed consumer and of the collector from the blow; of consumers to the slowest "
        "partition that had work"
    )
    return rows


def _endured(outcome: Outcome) -> Iterator[str]:
    """Of each trouble of the collector: what ended in spite of it, and what the metrics told."""
    yield f"{'the collector':16} {'seconds':>7} {'endings':>7} unsent by the processes' own metrics"
    for each in outcome.endured:
        counts = ", ".join(f"{kind} {count:.0f}" for kind, count in sorted(each.unsent.items()) if count)
        yield f"{each.fault.kind:16} {each.fault.lasts_s:7.1f} {each.endings:7} {counts or 'none'} ({each.fault.target})"


def _details(found: Findings) -> Iterator[str]:
    wrong = {name: getattr(found, field) for field, name in WRONG.items()}
    wrong |= {f"verdict {field}": getattr(found.verdicts, field) for field in ("lost", "doubled", "overridden")}
    for name, each in wrong.items():
        yield from (f"  {name}: {line}" for line in each[:SHOWN_MAX])
        if len(each) > SHOWN_MAX:
            yield f"  {name}: and {len(each) - SHOWN_MAX} more"
