"""Where does the memory of `tocsin consume` lie? `python -m tests.benchmarks.memory`.

First a fresh process that imports what `tocsin consume` imports, one group after the other: what each adds to the memory that is resident,
and how many modules came with it; what an earlier group has imported counts there. Then the very command, on real Kafka and Triton with the
no-op model and the FHIR stub: its memory once it is ready, and after `--events` photographs, by what holds it.

Figures are MB (10^6 bytes), from /proc/PID/smaps and smaps_rollup (proc_pid_smaps(5)): `rss` is all that is resident, `pss` the same with
what processes share divided among them, `dirty` what this process alone has written. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tocsin.sandbox.commands import running
from tocsin.sandbox.process import Child
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.processes import PROC, this_machine
from tests.benchmarks.scenario import await_flags
from tests.benchmarks.stage import Stage, set_up
from tests.support.command_line import parser, whole_number
from tests.support.waiting import eventually

GROUPS: Final = (
    ("hashes and TLS (OpenSSL)", ("hashlib", "ssl")),
    ("libcurl, with an OpenSSL of its own", ("pycurl",)),
    ("numpy", ("numpy",)),
    ("pictures", ("simplejpeg", "PIL.Image", "PIL.ImageCms")),
    ("pydantic, YAML", ("pydantic", "yaml")),
    ("gRPC", ("grpc",)),
    ("Triton's client", ("tritonclient.grpc",)),
    ("kafka-python", ("kafka",)),
    ("structlog", ("tocsin.telemetry.structured",)),
    ("OpenTelemetry, Prometheus's client", ("opentelemetry.exporter.prometheus", "opentelemetry.sdk.trace", "opentelemetry.sdk._logs")),
    ("fhir.resources, without its models", ("fhir.resources.R4B.bundle",)),
    ("Tocsin", ("tocsin.cli", "tocsin.cli.consume_run", "tocsin.bootstrap.consume", "tocsin.bootstrap.telemetry")),
)
"""What `tocsin consume` imports, from the widest used to Tocsin's own."""
READY_WITHIN_S: Final = 30.0
TOLD_FROM_MB: Final = 0.5
UNITS: Final = {"rss": "Rss", "pss": "Pss", "dirty": "Private_Dirty"}
IMPORTER: Final = """
import json, os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
def read():
    with open("/proc/self/smaps_rollup") as lines:
        kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB\\n")}
    return {"rss": kb["Rss"], "pss": kb["Pss"], "dirty": kb["Private_Dirty"], "modules": len(sys.modules)}
found = [read()]
for names in json.loads(sys.argv[1]):
    for name in names:
        __import__(name)
    found.append(read())
print(json.dumps(found))
"""
"""Takes no more with it than it must: what it imports would count in no group."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a process holds once a group is imported."""

    group: str
    rss: float
    pss: float
    dirty: float
    modules: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a running `tocsin consume` holds."""

    when: str
    rss: float
    pss: float
    dirty: float
    threads: int
    parts: dict[str, float]
    """What holds it -> resident, MB."""


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    imports = imported()
    held = [] if options.imports else _held(options.events, terminal())
    print(json.dumps({"imports": list(map(asdict, imports)), "running": list(map(asdict, held))}) if options.json else _told(imports, held))
    return 0


def imported() -> list[Imported]:
    """What a fresh process holds before the first group, and after each."""
    argv = (sys.executable, "-c", IMPORTER, json.dumps([names for _, names in GROUPS]))
    found = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    return [_imported(group, each) for group, each in zip(("Python", *(group for group, _ in GROUPS)), found, strict=True)]


def _imported(group: str, kb: dict[str, int]) -> Imported:
    return Imported(group, _mb(kb["rss"]), _mb(kb["pss"]), _mb(kb["dirty"]), kb["modules"])


def _mb(kb: int) -> float:
    return round(kb * 1024 / 1e6, 2)


def _held(events: int, progress: Progress) -> list[Held]:
    with set_up(progress) as stage, running(stage.folder / "memory", stage.environment("full"), "consume") as (consume,):
        eventually(lambda: "consuming" in consume.tail(), within_s=READY_WITHIN_S)
        ready = held("ready", consume.pid)
        _judge(stage, consume, events)
        return [ready, held(f"after {events} events", consume.pid)]


def _judge(stage: Stage, consume: Child, events: int) -> None:
    before = stage.bus.flags_count()
    stage.bus.publish([f"memory-{number}" for number in range(events)])
    await_flags(stage.bus, [consume], before + events)


def held(when: str, pid: int) -> Held:
    """What this process holds now."""
    folder = PROC / str(pid)
    kb = _kb((folder / "smaps_rollup").read_text().splitlines())
    unit = {unit: _mb(kb[name]) for unit, name in UNITS.items()}
    parts = _parts((folder / "smaps").read_text().splitlines())
    return Held(when, unit["rss"], unit["pss"], unit["dirty"], len(list((folder / "task").iterdir())), parts)


def _kb(lines: Iterable[str]) -> Counter[str]:
    return Counter({line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")})


def _parts(lines: Iterable[str]) -> dict[str, float]:
    """Resident MB by what holds it, most first."""
    parts, holder = Counter[str](), ""
    for line in lines:
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            holder = _holder(line.split(maxsplit=5)[5:])
        elif line.startswith("Rss:"):
            parts[holder] += int(line.split()[1])
    return {name: _mb(kb) for name, kb in parts.most_common()}


def _holder(name: list[str]) -> str:
    """A library by its file's name; without a file: the heap of malloc, or what was mapped (Python's arenas, threads' stacks)."""
    return Path(name[0].strip()).name if name else "[mapped]"


def _told(imports: list[Imported], running: list[Held]) -> str:
    return "\n".join((str(this_machine()), *_imports_told(imports), *(row for each in running for row in _held_told(each))))


def _imports_told(imports: list[Imported]) -> Iterator[str]:
    yield f"{'imported':40}{'rss':>8}{'pss':>8}{'dirty':>8}{'modules':>9}{'rss, all':>10}"
    before = Imported("", 0, 0, 0, 0)
    for each in imports:
        rss, pss, dirty = each.rss - before.rss, each.pss - before.pss, each.dirty - before.dirty
        yield f"{each.group:40}{rss:8.1f}{pss:8.1f}{dirty:8.1f}{each.modules - before.modules:9}{each.rss:10.1f}"
        before = each


def _held_told(held: Held) -> Iterator[str]:
    yield f"\ntocsin consume, {held.when}: rss {held.rss:.1f}, pss {held.pss:.1f}, dirty {held.dirty:.1f}; {held.threads} threads"
    yield from (f"    {name:60}{mb:8.1f}" for name, mb in held.parts.items() if mb >= TOLD_FROM_MB)


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.memory", __doc__)
    options.add_argument("--events", type=whole_number, default=60, help="photographs that are judged (60)")
    options.add_argument("--imports", action="store_true", help="the imports alone, without neighbours")
    options.add_argument("--json", action="store_true", help="print one JSON object")
    return options


if __name__ == "__main__":
    sys.exit(main())
