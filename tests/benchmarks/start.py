"""How long does `tocsin consume` take to start, and what does it use while nothing happens?

Starts the very command that production runs against real Apache Kafka, real Triton and a FHIR server in name only, several times, and says
when, ms from the start of the process: it is composed (its log says "consuming": the bus is reached and every module is imported), and its
poll that made it a member of its group is answered ("partitions assigned"). Then one idles: CPU as a share of one core, and how often a
thread of it was woken. Prints figures and asserts none: they change with what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

from tocsin.errors import Stop
from tocsin.sandbox.process import Child
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.contenders import tocsin
from tests.benchmarks.processes import PROC, group_cpu_s, this_machine
from tests.benchmarks.stage import Stage, set_up
from tests.support.command_line import parser, whole_number
from tests.support.waiting import eventually

COMPOSED: Final = "consuming"
MEMBER: Final = "partitions assigned"
READY_WITHIN_S: Final = 120.0
CALM_S: Final = 5.0
"""From its first poll until its idling is looked at: connections, the first pings."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start, ms from the process's own; the CPU is that of all its threads until it is a member."""

    composed_ms: float
    member_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Idle:
    """A process to which nothing happens."""

    seconds: float
    core_percent: float
    wakes_a_second: float
    """Voluntary context switches of all its threads: each is a wait that ended."""


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    try:
        starts, idle = _measured(options.starts, options.idle_s, terminal())
    except (AssertionError, Stop) as reason:
        print(reason, file=sys.stderr)
        return 1
    found = {"machine": this_machine().as_json(), "starts": [asdict(each) for each in starts], "idle": asdict(idle)}
    print(json.dumps(found, indent=2) if options.json else _told(starts, idle))
    return 0


def _measured(starts: int, idle_s: int, progress: Progress) -> tuple[list[Start], Idle]:
    with set_up(progress) as stage:
        found = []
        for number in range(starts):
            with progress.step(f"start {number + 1}"), _started(stage, f"start-{number}") as (_, start):
                found.append(start)
        with progress.step(f"{idle_s} s of nothing"), _started(stage, "idle") as (child, _):
            return found, _idle(child.pid, idle_s)


@contextmanager
def _started(stage: Stage, name: str) -> Iterator[tuple[Child, Start]]:
    began_s = time.time()
    with tocsin(stage).processes(stage.folder / name) as [child]:
        eventually(lambda: MEMBER in _lines(child.log), within_s=READY_WITHIN_S, what=f"a membership in {child.log}")
        cpu_s, said_s = group_cpu_s(child.pid), _lines(child.log)
        yield child, Start((said_s[COMPOSED] - began_s) * 1000, (said_s[MEMBER] - began_s) * 1000, cpu_s * 1000)


def _lines(log: Path) -> Mapping[str, float]:
    """What the log says -> when, seconds since 1970."""
    told = (json.loads(line) for line in log.read_text("utf-8").splitlines(keepends=True) if line.startswith("{") and line.endswith("\n"))
    return {each["event"]: datetime.fromisoformat(each["timestamp"]).timestamp() for each in told}


def _idle(group: int, idle_s: int) -> Idle:
    time.sleep(CALM_S)
    began, cpu_s, woken = time.monotonic(), group_cpu_s(group), _woken(group)
    time.sleep(idle_s)
    took_s = time.monotonic() - began
    return Idle(took_s, (group_cpu_s(group) - cpu_s) * 100 / took_s, (_woken(group) - woken) / took_s)


def _woken(pid: int) -> int:
    """How often threads of the process were woken so far, of those that live."""
    return sum(_switches(task / "status") for task in (PROC / str(pid) / "task").iterdir())


def _switches(status: Path) -> int:
    lines = status.read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def _told(starts: Sequence[Start], idle: Idle) -> str:
    rows = [("composed", [each.composed_ms for each in starts]), ("member of its group", [each.member_ms for each in starts])]
    rows.append(("CPU until then", [each.cpu_ms for each in starts]))
    return "\n".join(
        [
            f"{len(starts)} starts of `tocsin consume`, ms from the start of the process:",
            *(f"  {name:<20} least {min(took):6.0f}   median {median(took):6.0f}" for name, took in rows),
            f"idle for {idle.seconds:.0f} s: {idle.core_percent:.2f} % of a core, {idle.wakes_a_second:.0f} wake-ups a second",
            str(this_machine()),
        ]
    )


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.start", __doc__)
    options.add_argument("--starts", type=whole_number, default=5, help="how often it is started (5)")
    options.add_argument("--idle-s", type=whole_number, default=60, help="seconds of idling that are looked at (60)")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    return options


if __name__ == "__main__":
    sys.exit(main())
