"""A report's parts as they stand in the record, and whether anybody has acted on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, text, version_of
from tocsin.model_card import ModelVersion
from tocsin.report.precedence import untouched
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import device_id
from tocsin.report.types import StoredReport


@dataclass(frozen=True, slots=True)
class Parts:
    """Reads the parts of reports. Safe for threads."""

    fhir: FhirClient
    issuer: Issuer

    def untouched(self, references: Iterable[str], report: StoredReport) -> list[Json] | None:
        """The parts of the report that stand; None where somebody has acted on one of them, or one has no version.

        It costs one read for each of `references`. Raises as FhirClient.get.
        """
        parts = list[Json]()
        for reference in dict.fromkeys(references):
            answer = self.fhir.get_with_headers(reference)
            if not is_absent(answer):
                parts.append(resource_of(accepted(answer, reference), reference))
                acted = not untouched(reference, text(parts[-1].get("status")), report) or not self._is_own(parts[-1], report)
                if acted or version_of(parts[-1]) is None:
                    return None
            elif answer.status == 410 and reference in report.parts:
                return None
        return parts

    def _is_own(self, part: Json, report: StoredReport) -> bool:
        """Whether Tocsin made the part, about the report's patient: a clinician may have joined another's Observation to the report."""
        local = self.fhir.service_base.local
        by = local(part.get("performer")) or local(part.get("device"))
        model = None if report.mark is None else ModelVersion(self.issuer.card.name, report.mark.model_version)
        made = model is None or by == f"Device/{device_id(self.issuer.source, model)}"
        return made and local(part.get("subject")) == report.subject
