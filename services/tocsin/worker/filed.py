"""Reports of one installation, as the FHIR server hands them out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from tocsin.event.model import FHIR_ID
from tocsin.fhir.canonical import ALTERNATE_REFERENCE
from tocsin.fhir.client import Json
from tocsin.report.flag import WITHDRAWN
from tocsin.report.mark import ELEMENTS, local, standing_of
from tocsin.worker.model import Filed
from tocsin.worker.search import Entry

REPORT_ELEMENTS: Final = f"{ELEMENTS},imagingStudy,performer"
"""What of a DiagnosticReport is needed here."""

_STUDY = re.compile(rf"^ImagingStudy/{FHIR_ID}$")


def filed_by(devices: Collection[str], reports: Iterable[Entry]) -> Iterator[Filed]:
    """Those that one of these Devices (references), each a version of an installation's model, performed."""
    ours = frozenset(devices)
    for each in reports:
        standing = standing_of(each.resource)
        if standing.media and not ours.isdisjoint(_performers(each.resource)):
            yield Filed(
                report=each.reference,
                media=standing.media,
                issued=standing.issued or each.updated,
                as_of=None if standing.mark is None else standing.mark.as_of,
                calls=standing.verbatim and standing.status not in WITHDRAWN,
                study=_study(each.resource),
            )


def _study(report: Json) -> str | None:
    found = (local(each) for each in report.get("imagingStudy") or [])
    return next((each for each in found if _STUDY.match(each)), None)


def _performers(report: Json) -> Iterator[str]:
    extensions = itertools.chain.from_iterable(each.get("extension", []) for each in report.get("performer", []))
    for each in extensions:
        if each.get("url") == ALTERNATE_REFERENCE:
            yield local(each.get("valueReference"))
