"""A report that carries itself as a document, for systems that show documents alone (FHIR R4, DiagnosticReport.presentedForm)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final

from tocsin.fhir.datatypes import Json, text
from tocsin.image.taken import ages
from tocsin.image.types import Picture
from tocsin.model_limits import Known
from tocsin.paper.compose import compose
from tocsin.paper.pdf import Size, to_pdf
from tocsin.paper.stored import Stored
from tocsin.paper.types import Document
from tocsin.report.resources.status import DOCUMENT, without_document
from tocsin.report.types import Report
from tocsin.report.words import Wording

PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class Attached:
    """Gives a composed report its document. It names nobody and holds no picture, which stays in its Media. Safe for threads."""

    wording: Wording
    zone: tzinfo
    size: Size

    def __call__(self, report: Report, picture: Picture) -> Report:
        """The same report, whose DiagnosticReport holds itself as PDF/A-2b."""
        resources = [entry["resource"] for entry in report.bundle["entry"]]
        stored = Stored(
            report=resources[0],
            results=tuple(each for each in resources if each["resourceType"] == "Observation"),
            media={"resourceType": "Media", "bodySite": picture.body_site},
            known=_known(picture),
        )
        document = compose(stored, self.wording.card, self.wording, self.zone)
        first, *others = report.bundle["entry"]
        whole = first | {"resource": with_document(first["resource"], document, to_pdf(document, self.size))}
        return replace(report, bundle=report.bundle | {"entry": [whole, *others]})


def with_document(report: Json, document: Document, pdf: bytes) -> Json:
    """The DiagnosticReport with this document in the place of an earlier one; other programs' documents stay."""
    others = without_document(report).get("presentedForm", [])
    attachment = {
        "id": DOCUMENT,
        "contentType": PDF,
        "language": document.language,
        "data": base64.b64encode(pdf).decode("ascii"),
        "size": len(pdf),
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode("ascii"),
        "title": document.title,
    }
    created = text(report.get("issued"))
    return report | {"presentedForm": [*others, attachment | ({"creation": created} if created else {})]}


def _known(picture: Picture) -> Known:
    return Known(
        ages=ages(picture.born, picture.taken.days),
        body_site_codes=frozenset(picture.facts.body_site_codes),
        modality_codes=frozenset(each.code for each in picture.modality),
    )
