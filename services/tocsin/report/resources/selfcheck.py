"""Reports on a made-up picture, checked before the first real one: a card's words and codes go into every report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tocsin.errors import ConfigurationError, ReportInvalid
from tocsin.event.types import ImagingEvent
from tocsin.image.taken import Days, Taken
from tocsin.image.types import Obstacle, PatientFacts, Picture
from tocsin.inference.types import Findings
from tocsin.report.resources.bundle import transaction
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.device import card_document, device, site_resources
from tocsin.report.types import Grounds, Rank
from tocsin.risk.types import Assessment, Judgement, Unassessable

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_EVENT: Final = ImagingEvent(
    version=1, id="self-check", source="urn:tocsin:self-check", occurred_at=_NOW, media="Media/none", subject="Patient/none", study=None
)
_GROUNDS: Final = Grounds("0" * 64, "0" * 64, Rank(0, 0, 1))


def check_reports(issuer: Issuer) -> None:
    """Check the card and its words, the Device, one report for each band, and one that is not assessable.

    Raises ConfigurationError naming what the card does not say in the issuer's language, or what is not FHIR.
    """
    missing = issuer.card.untranslated(issuer.language)
    if missing:
        said = f"the card of {issuer.card.model} does not say {missing[0]!r} in the language of TOCSIN_REPORT__LANGUAGE, {issuer.language}"
        raise ConfigurationError(f"{said}: add it under translations.{issuer.language} of the card ({len(missing)} are missing)")
    try:
        card, source = issuer.card, issuer.source
        check_bundle(transaction([card_document(card, source), device(card, source), *site_resources(card, source)]))
        for judgement in _judgements(issuer):
            check_bundle(compose(_EVENT, _picture(), _GROUNDS, judgement, issuer, _NOW).bundle)
    except ReportInvalid as error:
        raise ConfigurationError(f"the card of {issuer.card.model} makes reports that are not FHIR: {error}") from None


def _judgements(issuer: Issuer) -> list[Judgement]:
    card = issuer.card
    findings = Findings(card.model, {each.code: 1 / len(card.output.classes) for each in card.output.classes})
    bands = [Assessment(findings, band.at_least, band) for band in card.operating_point.bands]
    return [*bands, Unassessable(Obstacle("self-check", "Nothing was looked at."))]


def _picture() -> Picture:
    return Picture(
        media=_EVENT.media,
        version=None,
        as_of=_NOW,
        fetched=_NOW,
        subject=_EVENT.subject,
        content_sha256="0" * 64,
        taken=Taken(Days(_NOW.date(), _NOW.date()), {"DateTime": _NOW.isoformat()}),
        modality=(),
        modality_stated=False,
        body_site=None,
        born=None,
        facts=PatientFacts(),
        content=b"",
    )
