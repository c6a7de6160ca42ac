"""One run: the stage, the load, the faults, the wait for what is still under way, the audit."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.terminal import Progress

from tests.chaos.auditor import Findings, judge, waiting
from tests.chaos.clinician import clinicians
from tests.chaos.evidence import read_bus, read_record
from tests.chaos.exports import Endured, silent
from tests.chaos.faults import Done, Faults
from tests.chaos.load import Load
from tests.chaos.manifest import Manifest, write_manifest
from tests.chaos.parts import PROCESSES, TOPICS, Stage, stage
from tests.chaos.plan import Fault
from tests.chaos.supervisor import Death
from tests.chaos.verdicts import open_verdicts
from tests.chaos.watch import Watch, recoveries, watched

SIDE_BY_SIDE_MAX: Final = 16
"""Faults that may last at the same time."""
LOAD_ENDS_WITHIN_S: Final = 90.0
LOOK_EVERY_S: Final = 2.0
WARM_UP_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is to be."""

    faults: Sequence[Fault]
    seed: int
    rate: float
    """Events a second."""
    settle_s: float
    """Longest wait, after the last fault, for every event to end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was."""

    findings: Findings
    recoveries: Mapping[str, Sequence[float]]
    """Kind of fault -> seconds, of the faults after which nothing else went wrong at once."""
    done: Sequence[Done]
    deaths: Sequence[Death]
    settled_s: float | None
    """From the end of the load until every event had ended and was committed; None where that did not come within its time."""
    endured: Sequence[Endured]
    """The collector's troubles."""
    silent: Sequence[str]
    """A line for each process that sends nothing more after them."""

    @property
    def telemetry_wrong(self) -> Sequence[str]:
        """A line for each event that waited for the collector, or trouble of the collector that no metric told of."""
        return (*(line for each in self.endured for line in each.wrong()), *self.silent)

    @property
    def clean(self) -> bool:
        """Whether the audit found nothing and the collector's troubles touched nothing."""
        return self.findings.clean and not self.telemetry_wrong


Tell = Callable[[Fault, str], None]
"""Told of each fault when it is over, and how many events were published and how many endings seen."""


def run(asked: Asked, folder: Path, progress: Progress, tell: Tell) -> Outcome:
    """Raises PartDidNotStart, HospitalStuck or EvidenceMissing where the run could not be done; that says nothing about the product."""
    with (
        stage(folder, progress) as standing,
        _loaded(asked, standing) as (load, watch),
        clinicians(standing.ehr, watch.flags, asked.seed) as at_work,
    ):
        with progress.step("waiting for the first flag"):
            _await_first(load, watch)
        with progress.step("faults", total=len(asked.faults)) as bar:

            def over(fault: Fault) -> None:
                bar.advance(1)
                tell(fault, f"{len(load.published())} events published, {watch.count} endings seen")

            done, aborted, endured = _do(asked, standing, load, watch, over)
        until = time.monotonic()
        with progress.step("waiting until everything has ended"):
            load.stop(LOAD_ENDS_WITHIN_S)
            given = at_work.stop()
            settled_s = _settle(load.manifest(), standing.kafka, asked.settle_s)
            quiet = silent(lambda: standing.collector.heard, PROCESSES, threading.Event())
        deaths = [death for process in standing.processes.values() for death in process.deaths()]
        with progress.step("auditing"):
            standing.silence()
            findings = _audit(replace(load.manifest(), aborted=aborted, verdicts=given), standing, folder)
        published = load.published()
        ended = watch.ended(published)
        (folder / "timeline.json").write_text(
            json.dumps({"published": [asdict(each) for each in published], "ended": [asdict(each) for each in ended]})
        )
        times = recoveries(done, deaths, published, ended, until=until)
        return Outcome(findings, times, done, deaths, settled_s, endured, quiet)


def _loaded(asked: Asked, standing: Stage) -> AbstractContextManager[tuple[Load, Watch]]:
    load = Load(seed=asked.seed, rate=asked.rate, bootstrap_servers=standing.kafka, imaging=TOPICS.imaging, fhir=standing.fhir)
    return watched(load, Watch(standing.kafka, TOPICS))


def _await_first(load: Load, watch: Watch) -> None:
    """So that the first fault strikes something; a product that ends nothing is struck all the same."""
    deadline = time.monotonic() + WARM_UP_WITHIN_S
    while watch.count == 0 and time.monotonic() < deadline:
        load.wait(LOOK_EVERY_S / 10)


def _do(
    asked: Asked, standing: Stage, load: Load, watch: Watch, over: Callable[[Fault], None]
) -> tuple[list[Done], tuple[str, ...], Sequence[Endured]]:
    """Every fault at its time; returns when the last is over, with the values of the events that were never committed."""
    stopping = threading.Event()
    faults = Faults(standing, stopping, lambda: watch.count)
    began = time.monotonic()

    def one(fault: Fault) -> Done:
        done = faults.do(fault)
        over(fault)
        return done

    with ThreadPoolExecutor(SIDE_BY_SIDE_MAX) as threads:
        try:
            futures: list[Future[Done]] = []
            for fault in asked.faults:
                load.wait(max(0.0, began + fault.at_s - time.monotonic()))
                _raise_first(futures)
                futures.append(threads.submit(one, fault))
            return [future.result() for future in futures], faults.aborted(), faults.endured()
        finally:
            stopping.set()


def _raise_first(futures: Sequence[Future[Done]]) -> None:
    for future in futures:
        if future.done():
            future.result()


def _settle(manifest: Manifest, bootstrap_servers: str, within_s: float) -> float | None:
    began = time.monotonic()
    pause = threading.Event()
    while time.monotonic() - began < within_s:
        bus = read_bus(bootstrap_servers, TOPICS)
        if not waiting(manifest, bus) and not any(bus.uncommitted.values()) and not open_verdicts(bus.verdicts):
            return time.monotonic() - began
        pause.wait(LOOK_EVERY_S)
    return None


def _audit(manifest: Manifest, standing: Stage, folder: Path) -> Findings:
    write_manifest(manifest, folder / "manifest.json")
    return judge(manifest, read_bus(standing.kafka, TOPICS), read_record(standing.fhir))
