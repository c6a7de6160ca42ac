"""The record: idempotent writes to the FHIR R4 server that never undo what a clinician did."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from tocsin.errors import Contended, FhirRejected, ReportDeleted, ReportOfAnother
from tocsin.fhir.client import NEIGHBOUR, FhirClient, Json, accepted, is_absent, resource_of, status_of
from tocsin.fhir.http import Answer
from tocsin.fhir.reading import text, version_of
from tocsin.image.types import Picture
from tocsin.model_card import ModelVersion
from tocsin.report.precedence import misplaced, recognised, rivals, successor, untouched, yields
from tocsin.report.resources.bundle import reference_to, transaction
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import device_id, report_id
from tocsin.report.resources.mark import as_written, standing_of
from tocsin.report.resources.supersede import supersession
from tocsin.report.store.reading import as_it_stands, reports_on
from tocsin.report.store.registration import Registration
from tocsin.report.store.sending import conditional, send
from tocsin.report.types import IN_ERROR, Grounds, Report, Standing
from tocsin.telemetry.log import logger

MISPLACED: Final = "Find out whose picture each of the two reports is about, and enter the wrong one in error."
"""What to do where the reports on one Media name two patients."""

CREATED: Final = 201


class FhirReports:
    """Adapter of the Reports port. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, *, validate_every: int, registration_wait_s: float) -> None:
        """Every `validate_every`-th bundle is checked before it is sent, the first one included; 0 checks none.

        `registration_wait_s`: longest wait for another thread that makes the model known to the record.
        """
        self._fhir = fhir
        self._issuer = issuer
        self._validate_every = validate_every
        self._registration = Registration(fhir, issuer, wait_s=registration_wait_s)
        self._written = itertools.count()

    def standing(self, picture: Picture, grounds: Grounds) -> Standing | None:
        """See Reports.standing. One read; another where the report gave way."""
        id_ = report_id(self._issuer.source, picture.media, picture.content_sha256, self._issuer.card.model)
        found = self._found(f"DiagnosticReport/{id_}", picture.subject, picture.media)
        if found is None or recognised(found, grounds, picture.recency):
            return found
        return found if yields(found, self._took_over(found), grounds, picture.recency) else None

    def write(self, report: Report) -> Standing:
        """See Reports.write. Read once more before it is written: judging took its time."""
        found = self._found(report.reference, report.subject, report.media)
        if found is None:
            return self._create(report)
        if recognised(found, report.grounds, report.mark.recency):
            return found
        bundle = self._replacing(report, found)
        if bundle is None:
            return found
        self._send(report, bundle)
        return as_written(report)

    def settle(self, standing: Standing, now: datetime) -> list[Standing]:
        """See Reports.settle. One search, where there is one report on the Media."""
        if standing.mark is None:
            return [standing]
        beside = self._beside(standing)
        self._say_misplaced(standing, beside)
        known = [standing, *(each for each in beside if rivals(standing, each, self._issuer))]
        own, *others = [self._superseded(each, known, now) if successor(each, known) else each for each in known]
        return [own, *(each for each in others if each.superseded_by is not None)]

    def look(self, standing: Standing) -> Standing:
        """See Reports.look. One read."""
        answer = as_it_stands(self._fhir, standing.reference)
        return standing if is_absent(answer) else self._read_back(answer, standing.reference, standing.subject, standing.media)

    def _beside(self, standing: Standing) -> list[Standing]:
        """Every report on the same Media, by whomever."""
        return [standing_of(each, self._fhir.service_base) for each in reports_on(self._fhir, standing.media)]

    def _say_misplaced(self, standing: Standing, beside: Iterable[Standing]) -> None:
        for other in beside:
            if misplaced(standing, other, self._issuer):
                detail = f"{other.reference} on the same Media names another patient than {standing.reference}"
                where = {"media": standing.media, "report": other.reference}
                logger().error("report under another patient", detail=detail, advice=MISPLACED, **where)

    def _superseded(self, old: Standing, known: Iterable[Standing], now: datetime) -> Standing:
        """As it stands after it gave way; as it was where a clinician has acted on any of it, or somebody has deleted it."""
        answer = self._fhir.get(old.reference)
        if is_absent(answer):
            return old
        report = resource_of(accepted(answer, old.reference), old.reference)
        found = standing_of(report, self._fhir.service_base)
        if (found.subject, found.media) != (old.subject, old.media):
            return old
        by = successor(found, known)
        parts = self._untouched(found.parts, found) if by is not None else None
        if by is None or parts is None or found.version is None:
            return found
        agent = f"Device/{device_id(self._issuer.source, self._issuer.card.model)}"
        bundle = supersession(report, parts, by.reference, agent, now)
        send(self._fhir, conditional(self._fhir, bundle, [report, *parts]), old.reference)
        return replace(found, status=IN_ERROR, superseded_by=by.reference)

    def _took_over(self, found: Standing) -> Standing | None:
        """What took its place, as far as it stands."""
        if found.superseded_by is None:
            return None
        answer = as_it_stands(self._fhir, found.superseded_by)
        if is_absent(answer):
            return None
        return standing_of(resource_of(accepted(answer, found.superseded_by), found.superseded_by), self._fhir.service_base)

    def _create(self, report: Report) -> Standing:
        """Nothing stood there. A server that says it replaced something tells of another process, whose verdict may be the newer one."""
        try:
            first, *_ = self._send(report, report.bundle)
        except (FhirRejected, Contended):
            over = self._over_leftovers(report)
            if over is None:
                raise
            first, *_ = self._send(report, over)
        if status_of(first) != CREATED:
            raise Contended(NEIGHBOUR, f"another process wrote {report.reference} meanwhile")
        return as_written(report)

    def _over_leftovers(self, report: Report) -> Json | None:
        """The bundle for a server that takes no write over what stands unless its version is named, where parts of the report stand.

        They are of a write that was broken off, or of a report that was removed. None where there are none, where somebody acted on one,
        and where the report itself stands by now.
        """
        if not is_absent(as_it_stands(self._fhir, report.reference)):
            return None
        left = self._untouched(report.parts, as_written(report))
        return conditional(self._fhir, report.bundle, left) if left else None

    def _send(self, report: Report, bundle: Json) -> list[Json]:
        self._registration.ensure()
        if self._validate_every and next(self._written) % self._validate_every == 0:
            check_bundle(report.bundle)
        return send(self._fhir, bundle, report.reference)

    def _found(self, reference: str, subject: str, media: str) -> Standing | None:
        answer = as_it_stands(self._fhir, reference)
        if is_absent(answer):
            if answer.status == 410:
                raise ReportDeleted("the server answers HTTP 410: it stood once and was deleted", reference=reference)
            return None
        return self._read_back(answer, reference, subject, media)

    def _read_back(self, answer: Answer, reference: str, subject: str, media: str) -> Standing:
        """The report on this Media, which its id was made from: another program may have dropped the link, and never the patient."""
        found = standing_of(resource_of(accepted(answer, reference), reference), self._fhir.service_base)
        if found.subject != subject:
            named = found.subject or "no patient of this server (TOCSIN_FHIR__ALSO_KNOWN_AS lists its other addresses)"
            raise ReportOfAnother(f"it names {named}, and was to be written for {subject}", reference=reference)
        return replace(found, media=media)

    def _replacing(self, report: Report, found: Standing) -> Json | None:
        """The report's bundle, and what only the report before it held, entered in error; None where a clinician has acted on a part of it.

        The version that was read is named, so that an act between the reading and the writing makes the server refuse (412, deferred).
        None also where the server states no version: nothing that stands is ever written over without one.
        """
        parts = self._untouched([*report.parts, *found.parts], found)
        if parts is None or found.version is None:
            return None
        kept = {reference_to(entry["resource"]) for entry in report.bundle["entry"]}
        withdrawn = transaction(each | {"status": IN_ERROR} for each in parts if reference_to(each) not in kept)
        bundle = report.bundle | {"entry": report.bundle["entry"] + withdrawn["entry"]}
        own = {"resourceType": "DiagnosticReport", "id": report.id, "meta": {"versionId": found.version}}
        return conditional(self._fhir, bundle, [own, *parts])

    def _untouched(self, references: Iterable[str], report: Standing) -> list[Json] | None:
        """Those of these parts of the report that stand; None where somebody has acted on one of them, or one has no version."""
        parts = list[Json]()
        for reference in dict.fromkeys(references):
            answer = self._fhir.get(reference)
            if not is_absent(answer):
                parts.append(resource_of(accepted(answer, reference), reference))
                acted = not untouched(reference, text(parts[-1].get("status")), report) or not self._is_own(parts[-1], report)
                if acted or version_of(parts[-1]) is None:
                    return None
            elif answer.status == 410 and reference in report.parts:
                return None
        return parts

    def _is_own(self, part: Json, report: Standing) -> bool:
        """Whether Tocsin made it, about the report's patient: a clinician may have joined an Observation of another's to the report."""
        local = self._fhir.service_base.local
        by = local(part.get("performer")) or local(part.get("device"))
        model = None if report.mark is None else ModelVersion(self._issuer.card.name, report.mark.model_version)
        made = model is None or by == f"Device/{device_id(self._issuer.source, model)}"
        return made and local(part.get("subject")) == report.subject
