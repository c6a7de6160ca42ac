"""Reads one report and what belongs to it from the record, as its reader may see it, and makes a document of it.

Nothing is printed unless report, results, picture and patient are one patient's; the picture only where it is the very one that was judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple, Protocol

from tocsin.errors import ContentUnusable, FhirRejected, ReportOfAnother
from tocsin.fhir.client import FhirClient, NoRight, accepted, is_absent, is_hidden, json_of, resource_of
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


class PatientNotShown(Exception):
    """The document is to name its patient, and the record has none or shows this reader none. Its text is the reference."""


class ResultsHidden(Exception):
    """The record shows this reader the report and not all of its results, without which it would read as if it lacked them.

    Its text is the references.
    """


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

        Acts and a picture that the record keeps from this reader are told as such, and never as if there were none. Raises ReportAbsent,
        PatientNotShown, ResultsHidden, IdentityUnsafe or ReportOfAnother (Refused) where it is not one patient's, and Deferred where the
        server is away or busy.
        """
        found = self._stored(record, wish)
        return compose(found, self.card, Wording(self.card, wish.language), self.zone, names_patient=wish.names_patient)

    def _stored(self, record: FhirClient, wish: Wish) -> Stored:
        report = _report(record, wish.report)
        standing = stored_report(report, record.service_base)
        check_subject(report.get("subject"), wish.patient or standing.subject, record.service_base, wish.report)
        results = _results(standing)
        parts, hidden = _parts(record, [*results, standing.media, standing.subject])
        media, patient = parts.get(standing.media), parts.get(standing.subject)
        for reference, part in parts.items():
            if reference != standing.subject:
                check_subject(part.get("subject"), standing.subject, record.service_base, reference)
        if wish.names_patient and patient is None:
            raise PatientNotShown(standing.subject)
        if not hidden.isdisjoint(results):
            raise ResultsHidden(" ".join(each for each in results if each in hidden))
        acts = _acts(record, wish.report)
        picture = self._picture(record, standing, media) if wish.shows_picture and media is not None else NOT_SHOWN
        return Stored(
            report=report,
            results=tuple(part for part in parts.values() if part.get("resourceType") == "Observation"),
            media=media,
            patient=patient,
            acts=tuple(acts or ()),
            picture=picture.shown,
            acts_hidden=acts is None,
            picture_hidden=picture.hidden or standing.media in hidden,
            base=record.service_base,
        )

    def _picture(self, record: FhirClient, standing: StoredReport, media: Json) -> _Picture:
        """The picture that was judged; not shown where it is withdrawn, changed, hidden from this reader, or of no use."""
        mark = standing.mark
        if mark is None or standing.status in VOID or media.get("status") in WITHDRAWN_MEDIA:
            return NOT_SHOWN
        try:
            attachment = attachment_of(media, standing.media)
            content = self.attachments(record).read(attachment, standing.media, media.get("meta"))
            verify(attachment, content, standing.media)
            if hashlib.sha256(content).hexdigest() != mark.content_sha256:
                return NOT_SHOWN
            return _Picture(for_print(content, side_px_max=self.side_px_max, pixels_max=self.pixels_max, reference=standing.media))
        except NoRight as refused:
            logger().info("a document goes without its picture", media=standing.media, detail=refused.detail)
            return _Picture(hidden=True)
        except (ContentUnusable, FhirRejected) as reason:
            logger().info("a document goes without its picture", media=standing.media, reason=reason.reason)
            return NOT_SHOWN


class _Picture(NamedTuple):
    """The picture of a document, if it has one."""

    shown: Photograph | None = None
    hidden: bool = False
    """Whether the record keeps its bytes from this reader."""


NOT_SHOWN: Final = _Picture()


def _report(record: FhirClient, reference: str) -> Json:
    kind, _, id_ = reference.partition("/")
    if kind != "DiagnosticReport" or fhir_id(id_) is None:
        raise ReportAbsent(reference)
    answer = record.get_with_headers(reference)
    if is_absent(answer) or is_hidden(answer):
        raise ReportAbsent(reference)
    return resource_of(accepted(answer, reference), reference)


def _results(standing: StoredReport) -> list[str]:
    return [each for each in standing.parts if each.startswith("Observation/")][:RESULTS_MAX]


def _parts(record: FhirClient, references: Sequence[str]) -> tuple[dict[str, Json], frozenset[str]]:
    """Those of the resources that stand, by reference, all asked for side by side; and the references that are kept from this reader."""
    wanted = [each for each in dict.fromkeys(references) if each]
    reads = record.together(*(record.getting(each) for each in wanted))
    found, hidden = dict[str, Json](), set[str]()
    for reference, read in zip(wanted, reads, strict=True):
        answer = read()
        if is_hidden(answer):
            hidden.add(reference)
        elif not is_absent(answer):
            part = json_of(accepted(answer, reference), reference)
            if reference_to(part) != reference:
                raise ReportOfAnother("the server answered with another resource", reference=reference)
            found[reference] = part
    return found, frozenset(hidden)


def _acts(record: FhirClient, reference: str) -> list[Json] | None:
    """Provenances of the report; none where the server does not search so, and the document says that it does not know.

    None where the record keeps them from this reader.
    """
    answer = record.together(record.searching(f"Provenance?target={reference}&_count={ACTS_MAX}&_sort=-recorded"))[0]()
    if is_hidden(answer):
        return None
    try:
        found = json_of(accepted(answer, "Provenance", "search"), "Provenance")
    except FhirRejected:
        return []
    acts = resources_of(found, "Provenance")
    return [each for each in acts if any(_names(target, reference, record) for target in objects(each.get("target")))]


def _names(target: Json, reference: str, record: FhirClient) -> bool:
    return record.service_base.local(target) == reference
