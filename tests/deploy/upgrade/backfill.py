"""A backfill that lasts over the roll-outs: begun by one version, gone on with by the other, ended by whichever is there."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.chaos import hospital
from tests.chaos.evidence import Bus, Record
from tests.chaos.hospital import Archive, HospitalStuck
from tests.deploy.upgrade.versions import Version

DAY: Final = "2026-02-10"
"""On which no picture of the load was taken."""
COUNT: Final = 40
PATIENTS: Final = 5
FIRST_PATIENT: Final = 800
WITHIN_S: Final = 300.0
LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Backfill:
    """The pictures, in the record, and the commands with which an operator looks after them."""

    version: Version
    variables: Mapping[str, str]
    folder: Path

    def begin(self, fhir: str, per_second: float) -> None:
        """Put the pictures into the record and have them announced. Raises HospitalStuck."""
        archive = Archive(fhir, threading.Event())
        for number in range(PATIENTS):
            archive.put(hospital.patient(FIRST_PATIENT + number))
        for number in range(COUNT):
            subject = f"Patient/chaos-{FIRST_PATIENT + number % PATIENTS}"
            whole = hospital.media(f"old-{number}", subject, hospital.photograph(8_000_000 + number))
            archive.put(whole | {"createdDateTime": f"{DAY}T09:30:00+01:00"})
        self._run("start", "--from", DAY, "--to", DAY, "--per-second", str(per_second), "--yes")

    def done(self, within_s: float) -> Mapping[str, Any]:
        """How it stands at last. Raises HospitalStuck where it has not ended by then."""
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while (found := json.loads(self._run("list", "--json").splitlines()[0]))["state"] != "done":
            if time.monotonic() > deadline:
                raise HospitalStuck(f"the backfill has not ended: {found}")
            pause.wait(LOOK_S)
        stands: Mapping[str, Any] = found
        return stands

    def _run(self, *arguments: str) -> str:
        argv = [str(self.version.python), "-m", "tocsin", "backfill", *arguments]
        ran = subprocess.run(argv, cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        if ran.returncode:
            raise HospitalStuck(f"tocsin backfill {arguments[0]} ended with exit code {ran.returncode}: {ran.stderr[-500:]}")
        return ran.stdout


def wrong(stands: Mapping[str, Any], bus: Bus, record: Record) -> Iterator[str]:
    """A line for each picture that was not announced, or has not one report and a flag."""
    if (stands["announced"], sum(stands["skipped"].values())) != (COUNT, 0):
        yield f"the backfill announced {stands['announced']} of {COUNT} pictures and left out {stands['skipped']}"
    flagged = {flag["media"] for flag in bus.flags}
    for media in (f"Media/old-{number}" for number in range(COUNT)):
        reports = [each.id for each in record.reports if media in each.media and each.effective]
        if len(reports) != 1 or media not in flagged:
            yield f"{media}: {len(reports)} reports, {'a flag' if media in flagged else 'no flag'}"
