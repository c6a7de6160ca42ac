"""Many readers at once on real parts: each comes by a launch of their own, opens a report and gives a verdict, two on every report.

Starts real Kafka, HAPI, Triton and Redis, two `tocsin consume`, `tocsin work`, `tocsin beat` and `tocsin serve`; has a report made for
every two readers; then lets all of them begin at the same moment. An auditor that shares no code with the product reads Kafka and the FHIR
server: every acknowledged verdict is in the record once, or was overtaken by the other reader's and says so.

The last line is `readers N acknowledged A recorded R overtaken O lost L doubled D`. Exit codes: 0 every reader's verdict was acknowledged
and none is lost or doubled; 1 that was not so; 3 the run itself could not be done.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError
from tocsin.errors import Stop
from tocsin.sandbox.ehr import Chart
from tocsin.terminal import Progress, terminal

from tests.chaos import hospital
from tests.chaos.clinician import Clinician
from tests.chaos.evidence import EvidenceMissing, read_bus, read_record
from tests.chaos.hospital import Archive, HospitalStuck
from tests.chaos.load import event_value
from tests.chaos.manifest import Given
from tests.chaos.parts import TOPICS, Stage, stage
from tests.chaos.verdicts import Verdicts, judge_verdicts, open_verdicts
from tests.support.command_line import COULD_NOT_RUN, end_in_order_when_told, parser, whole_number, working_folder

A_REPORT: Final = 2
"""Readers of each report."""
FLAGS_WITHIN_S: Final = 300.0
SETTLED_WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 1.0
ANSWER_WITHIN_S: Final = 300.0
"""As long as browsers wait."""
PATIENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader met; seconds since all began."""

    page_s: float
    """Until their page was there, through the log-in."""
    taken_s: float | None
    """Until a page said that their verdict was taken; None where none did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was."""

    readings: Sequence[Reading]
    verdicts: Verdicts

    @property
    def clean(self) -> bool:
        """Whether every verdict was acknowledged, and none is lost, doubled or overridden."""
        found = self.verdicts
        return found.acknowledged == len(self.readings) and not (found.lost or found.doubled or found.overridden)

    def text(self) -> str:
        """For a person; its last line is the verdict."""
        found, states = self.verdicts, self.verdicts.states
        wrong = [*found.lost, *found.doubled, *found.overridden]
        return "\n".join(
            [
                _row("page, through the log-in", [each.page_s for each in self.readings]),
                _row("verdict taken", [each.taken_s for each in self.readings if each.taken_s is not None]),
                *(f"  {each}" for each in wrong),
                f"readers {len(self.readings)} acknowledged {found.acknowledged} recorded {found.recorded} "
                f"overtaken {states.get('overtaken', 0)} lost {len(found.lost)} doubled {len(found.doubled)}",
            ]
        )


def run(readers: int, folder: Path, progress: Progress) -> Outcome:
    """Raises PartDidNotStart (Stop), HospitalStuck and EvidenceMissing where the run could not be done."""
    with stage(folder, progress) as standing:
        with progress.step("having the reports made"):
            charts = _reports(standing, -(-readers // A_REPORT))
        for chart in charts:
            standing.ehr.list(chart, first=False)
        with progress.step("reading"):
            people = [_reader(standing, number) for number in range(readers)]
            together = threading.Barrier(readers)

            def read(number: int) -> Reading:
                together.wait()
                began = time.monotonic()
                people[number].act(charts[number // A_REPORT])
                taken = bool(people[number].given)
                return Reading(people[number].opened_at - began, time.monotonic() - began if taken else None)

            with ThreadPoolExecutor(readers) as threads:
                readings = list(threads.map(read, range(readers)))
        with progress.step("auditing"):
            given = [each for person in people for each in person.given]
            return Outcome(readings, _audited(standing, given))


def _reader(standing: Stage, number: int) -> Clinician:
    return Clinician(standing.ehr, list, Random(f"reader {number}"), threading.Event(), patience_s=PATIENCE_S, within_s=ANSWER_WITHIN_S)


def _reports(standing: Stage, count: int) -> list[Chart]:
    """So many flagged reports, each on a picture and a patient of its own."""
    archive = Archive(standing.fhir, threading.Event())
    producer = KafkaProducer(bootstrap_servers=standing.kafka, acks="all")
    try:
        for number in range(count):
            subject, media = f"Patient/chaos-{number}", f"m-{number}"
            archive.put(hospital.patient(number))
            archive.put(hospital.media(media, subject, hospital.photograph(number)))
            producer.send(TOPICS.imaging, event_value(f"e-{number}", f"Media/{media}", subject), subject.encode()).get(timeout=20)
    finally:
        producer.close(timeout=5)
    deadline = time.monotonic() + FLAGS_WITHIN_S
    while time.monotonic() < deadline:
        flags = {flag["report"]: flag["subject"] for flag in read_bus(standing.kafka, TOPICS).flags}
        if len(flags) == count:
            return [Chart(report, subject, "") for report, subject in flags.items()]
        time.sleep(LOOK_EVERY_S)
    raise HospitalStuck("the reports were not made in time")


def _audited(standing: Stage, given: Sequence[Given]) -> Verdicts:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while open_verdicts(read_bus(standing.kafka, TOPICS).verdicts) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    record = read_record(standing.fhir)
    return judge_verdicts(given, read_bus(standing.kafka, TOPICS).verdicts, record.acts, record.histories)


def _row(name: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{name:26} none"
    ordered = sorted(seconds)
    return f"{name:26} median {median(ordered):6.2f} s  95 % {ordered[int(0.95 * (len(ordered) - 1))]:6.2f} s  longest {ordered[-1]:6.2f} s"


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    end_in_order_when_told()
    try:
        with working_folder(options.keep, "readers") as folder:
            outcome = run(options.readers, folder, terminal())
    except (Stop, HospitalStuck, EvidenceMissing, KafkaError, OSError) as reason:
        print(f"the run could not be done: {reason}", file=sys.stderr)
        return COULD_NOT_RUN
    print(outcome.text())
    return 0 if outcome.clean else 1


def _options() -> argparse.ArgumentParser:
    options = parser("tests.chaos.readers", __doc__)
    options.add_argument("--readers", type=whole_number, default=100, metavar="N", help="readers at once (100)")
    options.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave logs and data there")
    return options


if __name__ == "__main__":
    sys.exit(main())
