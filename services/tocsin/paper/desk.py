"""Reads one report and what belongs to it from the record, as its reader may see it, and makes a document of it.

Nothing is printed unless report, results, picture and patient are one patient's; the picture only where it is the very one that was judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Final, Protocol

from tocsin.errors import ContentUnusable, FhirRejected, ReportOfAnother
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, fhir_id, objects, reference_to
from tocsin.fhir.search import resources_of
from tocsin.image.attachment import attachment_of, verify
from tocsin.image.identity import check_subject
from tocsin.image.printed import Photograph, for_print
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.model_card import ModelCard
from tocsin.paper.compose import VOID, compose
from tocsin.paper.stored import Stored
from tocsin.paper.types import Document
from tocsin.report.resources.mark import stored_report
from tocsin.report.types import StoredReport
from tocsin.report.words import Wording
from tocsin.telemetry.log import logger

RESULTS_MAX: Final = 64
"""Most results that are read of one report."""
ACTS_MAX: Final = 50
"""Most Provenances that are asked for; the newest first where the server sorts."""


class ReportAbsent(Exception):
    """The record has no such report, or does not show it to this reader. Its text is the reference."""


class Attachments(Protocol):
    """Where a Media's bytes are read."""

    def read(self, attachment: Json, media: str, meta: object) -> bytes:
        """The bytes of a Media's attachment. Raises Refused, or Deferred."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader asks for."""

    report: str
    """DiagnosticReport/<id>."""
    language: str
    """One of words.LANGUAGES."""
    patient: str | None = None
    """Patient/<id> in whose chart the reader is; None: in nobody's."""
    names_patient: bool = False
    shows_picture: bool = True


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes documents. Safe for threads."""

    card: ModelCard
    zone: tzinfo
    attachments: Callable[[FhirClient], Attachments]
    """With the rights of the client's owner."""
    side_px_max: int
    """Of a picture."""
    pixels_max: int
    """Largest picture that is decoded."""

    def document(self, record: FhirClient, wish: Wish) -> Document:
        """The document that is wished for, as the record stands now.

        Raises ReportAbsent, IdentityUnsafe or ReportOfAnother (Refused) where it is not one patient's, and Deferred where the server is
        away or busy.
        """
        found = self._stored(record, wish)
        return compose(found, self.card, Wording(self.card, wish.language), self.zone, names_patient=wish.names_patient)

    def _stored(self, record: FhirClient, wish: Wish) -> Stored:
        report = _report(record, wish.report)
        standing = stored_report(report, record.service_base)
        check_subject(report.get("subject"), wish.patient or standing.subject, record.service_base, wish.report)
        parts = _parts(record, [*_results(standing), standing.media, standing.subject])
        media, patient = parts.get(standing.media), parts.get(standing.subject)
        for reference, part in parts.items():
            if reference != standing.subject:
                check_subject(part.get("subject"), standing.subject, record.service_base, reference)
        return Stored(
            report=report,
            results=tuple(part for part in parts.values() if part.get("resourceType") == "Observation"),
            media=media,
            patient=patient,
            acts=tuple(_acts(record, wish.report)),
            picture=self._picture(record, standing, media) if wish.shows_picture and media is not None else None,
            base=record.service_base,
        )

    def _picture(self, record: FhirClient, standing: StoredReport, media: Json) -> Photograph | None:
        """The picture that was judged; None where it is withdrawn, changed, or cannot be shown."""
        mark = standing.mark
        if mark is None or standing.status in VOID or media.get("status") in WITHDRAWN_MEDIA:
            return None
        try:
            attachment = attachment_of(media, standing.media)
            content = self.attachments(record).read(attachment, standing.media, media.get("meta"))
            verify(attachment, content, standing.media)
            if hashlib.sha256(content).hexdigest() != mark.content_sha256:
                return None
            return for_print(content, side_px_max=self.side_px_max, pixels_max=self.pixels_max, reference=standing.media)
        except (ContentUnusable, FhirRejected) as reason:
            logger().info("a document goes without its picture", media=standing.media, reason=reason.reason)
            return None


def _report(record: FhirClient, reference: str) -> Json:
    kind, _, id_ = reference.partition("/")
    if kind != "DiagnosticReport" or fhir_id(id_) is None:
        raise ReportAbsent(reference)
    answer = record.get_with_headers(reference)
    if is_absent(answer):
        raise ReportAbsent(reference)
    return resource_of(accepted(answer, reference), reference)


def _results(standing: StoredReport) -> list[str]:
    return [each for each in standing.parts if each.startswith("Observation/")][:RESULTS_MAX]


def _parts(record: FhirClient, references: Sequence[str]) -> dict[str, Json]:
    """Those of the resources that stand, by reference, all asked for side by side."""
    wanted = [each for each in dict.fromkeys(references) if each]
    reads = record.together(*(record.reading(each, unknown=partial(ReportAbsent, each)) for each in wanted))
    found = {}
    for reference, read in zip(wanted, reads, strict=True):
        try:
            part = read()
        except ReportAbsent:
            continue
        if reference_to(part) != reference:
            raise ReportOfAnother("the server answered with another resource", reference=reference)
        found[reference] = part
    return found


def _acts(record: FhirClient, reference: str) -> list[Json]:
    """Provenances of the report; none where the server does not search so, and the document says that it does not know."""
    try:
        found = record.search(f"Provenance?target={reference}&_count={ACTS_MAX}&_sort=-recorded")
    except FhirRejected:
        return []
    acts = resources_of(found, "Provenance")
    return [each for each in acts if any(_names(target, reference, record) for target in objects(each.get("target")))]


def _names(target: Json, reference: str, record: FhirClient) -> bool:
    return record.service_base.local(target) == reference
