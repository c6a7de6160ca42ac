"""One example of each kind of report, as it goes to the FHIR server (JSON) and as a person reads it (text). The people are made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import BODY_STRUCTURE, DICOM_MODALITY, SNOMED
from tocsin.fhir.datatypes import Coding
from tocsin.image.taken import Days, Taken
from tocsin.image.types import Obstacle, PatientFacts, Picture
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.readback import said_in
from tocsin.report.types import Grounds, Rank
from tocsin.report.words import ReportWords, Wording
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable

NOW: Final = datetime(2026, 3, 1, 9, 31, 10, tzinfo=UTC)
SOURCE: Final = "urn:example:dermatology"
BODY_SITE: Final[dict[str, Any]] = {
    "extension": [{"url": BODY_STRUCTURE, "valueReference": {"identifier": {"system": "urn:example:lesions", "value": "L-3"}}}],
    "coding": [
        {"system": SNOMED, "code": "77568009", "display": "Back structure"},
        {"system": SNOMED, "code": "7771000", "display": "Left"},
    ],
}
DARK: Final = Unassessable(Obstacle("too-dark", "The image is too dark."))


def examples() -> dict[str, dict[str, Any]]:
    """Kind of report -> the transaction that writes it."""
    card = read_card(packaged(REFERENCE_CARD))
    german = Issuer(card, SOURCE, "de")
    return {
        "raised": _made(judge(_findings(card, mel=0.009, bcc=0.005, akiec=0.0034), card), Issuer(card, SOURCE)),
        "high": _made(judge(_findings(card, mel=0.71, bcc=0.04, akiec=0.01), card), Issuer(card, SOURCE)),
        "below-threshold": _made(judge(_findings(card, mel=0.006, bcc=0.003, akiec=0.0018), card), Issuer(card, SOURCE)),
        "not-assessable": _made(DARK, Issuer(card, SOURCE)),
        "calibrated": _made(judge(_findings(card, mel=0.14, bcc=0.03, akiec=0.005), card), Issuer(calibrated(card), SOURCE)),
        "german-raised": _made(judge(_findings(card, mel=0.009, bcc=0.005, akiec=0.0034), card), german),
        "german-not-assessable": _made(DARK, german),
    }


def calibrated(card: ModelCard) -> ModelCard:
    """The card as it might read if its numbers had been measured to be probabilities. They were not."""
    return card.model_copy(update={"calibration": "probability", "calibrated_on": "An example: nothing was measured."})


def as_text(bundle: dict[str, Any]) -> str:
    """The report as a clinician reads it: the conclusion, then the table, read back from the record."""
    words = words_of(bundle)
    rows = [f"{each.name:<64} {each.score:>8}" for each in words.classes]
    table = ["", f"{'':<64} {words.column}", *rows] if rows else []
    return "\n".join([words.headline, "", words.conclusion, *table]) + "\n"


def words_of(bundle: dict[str, Any]) -> ReportWords:
    """What the report of the transaction says, in its own language, read back as from the record."""
    report, *parts = (entry["resource"] for entry in bundle["entry"])
    card = read_card(packaged(REFERENCE_CARD))
    return Wording(card, report["language"]).of(said_in(report, parts, {"bodySite": BODY_SITE}))


def files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of examples/reports."""
    for name, bundle in examples().items():
        yield f"examples/reports/{name}.json", orjson.dumps(bundle, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        yield f"examples/reports/{name}.txt", as_text(bundle).encode()


def _made(judgement: Judgement, issuer: Issuer) -> dict[str, Any]:
    event = ImagingEvent(
        version=1, id="example", source="urn:example:camera", occurred_at=NOW, media="Media/m1", subject="Patient/p1", study=None
    )
    grounds = Grounds("0c" * 32, "0d" * 32, Rank(1, 2, int(issuer.card.version)))
    return compose(event, picture(), grounds, judgement, issuer, NOW, "0af7651916cd43dd8448eb211c80319c").bundle


def picture(media: str = "Media/m1", subject: str = "Patient/p1") -> Picture:
    """The picture of the examples."""
    return Picture(
        media=media,
        version="1",
        as_of=NOW,
        fetched=NOW,
        subject=subject,
        content_sha256="ab" * 32,
        taken=Taken(Days(date(2026, 3, 1), date(2026, 3, 1)), {"DateTime": "2026-03-01T09:30:00+01:00"}),
        modality=(Coding(DICOM_MODALITY, "DMS"),),
        modality_stated=True,
        body_site=BODY_SITE,
        born=None,
        facts=PatientFacts("female", 55.0, ("77568009",)),
        content=b"",
    )


def _findings(card: ModelCard, **malignant: float) -> Findings:
    """These scores for the malignant classes; of the rest most goes to the naevus."""
    rest = 1 - sum(malignant.values())
    benign = {"nv": rest * 0.75, "bkl": rest * 0.2, "df": rest * 0.03, "vasc": rest * 0.02}
    return Findings(card.model, {each.code: (malignant | benign)[each.code] for each in card.output.classes})
