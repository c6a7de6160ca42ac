"""Stored reports of one patient -> the cards of a CDS Hooks answer (CDS Hooks 3.0.0, "Card attributes"). Pure.

A card says what a report in the record says; nothing is judged here. What cannot be read, is another installation's, is withdrawn or no
longer says what Tocsin wrote gives no card. The reasons behind what is shown stand in deploy/decisions/0030.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

import orjson

from tocsin.fhir.canonical import BODY_STRUCTURE
from tocsin.fhir.datatypes import Json, an_object, objects, reference_to, state_of, text
from tocsin.fhir.reference import ServiceBase
from tocsin.model_card import Band, ModelVersion
from tocsin.report.precedence import newest
from tocsin.report.recalled import recalled
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import part_id, report_id
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.readback import said_in
from tocsin.report.types import PRELIMINARY, REVIEWED, Mark, StoredReport
from tocsin.report.words import Wording
from tocsin.review.card_words import CardWords
from tocsin.review.history import Entry, act_told

Indicator = Literal["info", "warning", "critical"]
URGENCY: Final[Mapping[Indicator, int]] = {"critical": 0, "warning": 1, "info": 2}
"""The order of cards: the most urgent first."""

MODELS: Final = "urn:tocsin:model"
"""System of the topic of a card: the model and its version."""


class Kind(StrEnum):
    """What a report asks of its reader."""

    FLAGGED = "flagged"
    """A clinician is to look sooner, and none has acted yet."""
    NOT_ASSESSABLE = "not-assessable"
    """The picture could not be judged, which says nothing about risk, and nobody has acted yet."""
    NOT_FLAGGED = "not-flagged"
    """The model raises no flag, which is no all-clear, and nobody has acted yet."""
    REVIEWED = "reviewed"
    """A clinician has acted on it."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a site wants its cards."""

    words: Wording
    shown: frozenset[Kind]
    cards_max: int
    launch_url: str
    """Where the SMART launch of the review page begins."""
    card_url: str | None = None
    """Page that tells about the model, if the site has one."""
    indicators: Mapping[str, Indicator] = field(default_factory=dict)
    """Code of a band -> indicator, where the site wants another than the one that follows from the model card."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card."""

    uuid: str
    """The same for the same version of the same report."""
    report: str
    """DiagnosticReport/<id>."""
    report_version: str | None
    """Version of the report, as the server counts it; None where the server does not say."""
    kind: Kind
    band: str
    """Code of the band, or why the picture is not assessable."""
    indicator: Indicator
    content: Json = field(repr=False)
    """The card as JSON."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A report that may become a card."""

    stored: StoredReport
    mark: Mark
    kind: Kind
    indicator: Indicator
    lesion: str
    act: Entry | None
    """What a clinician made of it, where the report itself tells; a call brings no Provenance."""
    resource: Json = field(repr=False)

    @property
    def order(self) -> tuple[int, float, str]:
        """The most urgent first, of these the newest picture."""
        return URGENCY[self.indicator] + (self.kind is Kind.REVIEWED), -self.mark.as_of.timestamp(), self.stored.reference


def cards(
    reports: Iterable[Json], beside: Iterable[Json], patient: str, base: ServiceBase, issuer: Issuer, how: Presentation
) -> list[Card]:
    """The cards for a patient (`Patient/<id>`), the most urgent first, at most one for each lesion.

    `beside` are Media that may say where the lesion is, and Observations, which no call has to bring: without them a card says of the score
    what the report's mark and conclusion tell. `base` is the server that all of these were read from. A report
    of another patient gives no card: whether it may be among the reports at all is for the caller to say. Of one lesion's reports the
    most urgent counts, and of equally urgent ones that on the newest picture: a later picture that raises no flag takes no flag away
    that nobody has answered. Where there are more than `cards_max`, the last one says so.
    """
    known = _by_reference(beside)
    told = [each for each in _standing(reports, known, patient, base, issuer, how) if each.kind in how.shown]
    of_lesion = defaultdict[str, list[_Told]](list)
    for each in told:
        of_lesion[each.lesion].append(each)
    chosen = sorted((min(each, key=lambda one: one.order) for each in of_lesion.values()), key=lambda one: one.order)
    words = CardWords(how.words)
    made = [_card(each, known, issuer, how, words) for each in chosen[: how.cards_max]]
    if len(chosen) > len(made):
        made[-1].content["detail"] += words.more(len(chosen) - len(made))
    return made


def card_uuid(report: StoredReport, state: str) -> str:
    """The id of the card for this state of the report, by which feedback names it (RFC 9562, version 5)."""
    return part_id(report.reference.removeprefix("DiagnosticReport/"), f"card {state}")


def _by_reference(resources: Iterable[Json]) -> dict[str, Json]:
    return {reference: each for each in resources if (reference := reference_to(each))}


def _standing(
    reports: Iterable[Json], known: Mapping[str, Json], patient: str, base: ServiceBase, issuer: Issuer, how: Presentation
) -> Iterator[_Told]:
    """Of the reports on each picture the one that holds."""
    resources, on_media = dict[str, Json](), defaultdict[str, list[StoredReport]](list)
    for resource in reports:
        if reference_to(resource).startswith("DiagnosticReport/"):
            stored = stored_report(resource, base)
            if stored.subject == patient and _is_own(stored, issuer):
                resources[stored.reference] = resource
                on_media[stored.media].append(stored)
    for same_picture in on_media.values():
        holds = newest(same_picture)
        if holds is not None:
            yield from _told(holds, resources[holds.reference], known, base, issuer, how)


def _is_own(stored: StoredReport, issuer: Issuer) -> bool:
    """Whether this installation wrote the report: its id follows from its own facts."""
    if stored.mark is None or not stored.media:
        return False
    model = ModelVersion(issuer.card.name, stored.mark.model_version)
    return stored.reference == f"DiagnosticReport/{report_id(issuer.source, stored.media, stored.mark.content_sha256, model)}"


def _told(
    stored: StoredReport, resource: Json, known: Mapping[str, Json], base: ServiceBase, issuer: Issuer, how: Presentation
) -> Iterator[_Told]:
    mark = stored.mark
    if mark is None or not stored.verbatim:
        return
    kind = _kind(stored, mark)
    if kind is not None:
        band = (
            next((each for each in issuer.card.operating_point.bands if each.code == mark.code), None) if mark.score is not None else None
        )
        yield _Told(stored, mark, kind, _indicator(kind, mark, band, how), _lesion(stored, known, base), act_told(resource, base), resource)


def _kind(stored: StoredReport, mark: Mark) -> Kind | None:
    if stored.status in REVIEWED:
        return Kind.REVIEWED
    if stored.status != PRELIMINARY:
        return None
    if mark.score is None:
        return Kind.NOT_ASSESSABLE
    return Kind.FLAGGED if mark.flagged else Kind.NOT_FLAGGED


def _indicator(kind: Kind, mark: Mark, band: Band | None, how: Presentation) -> Indicator:
    """Info where nobody has to look sooner; else by the site's own word, or by what risk the model card can defend."""
    if kind is not Kind.FLAGGED:
        return "info"
    return how.indicators.get(mark.code) or ("critical" if band is not None and band.qualitative_risk == "high" else "warning")


def _lesion(stored: StoredReport, known: Mapping[str, Json], base: ServiceBase) -> str:
    """The BodyStructure that the picture's body site names; else the picture itself: two cards for one lesion rather than one for two."""
    for element in (stored.media, *stored.parts):
        for each in objects(an_object(known.get(element, {}).get("bodySite")).get("extension")):
            named = base.local(each.get("valueReference"))
            if each.get("url") == BODY_STRUCTURE and named.startswith("BodyStructure/"):
                return named
    return stored.media


def _card(told: _Told, known: Mapping[str, Json], issuer: Issuer, how: Presentation, words: CardWords) -> Card:
    state = state_of(told.resource) or f"{told.stored.status} {text(told.resource.get('issued'))}"
    results = [known[part] for part in told.stored.parts if part in known]
    said = recalled(said_in(told.resource, results, known.get(told.stored.media)), issuer.card)
    uuid = card_uuid(told.stored, state)
    content: Json = {
        "uuid": uuid,
        "summary": words.summary(said, told.act),
        "detail": words.detail(said, told.act),
        "indicator": told.indicator,
        "source": {
            "label": words.source(told.mark),
            **({} if how.card_url is None else {"url": how.card_url}),
            "topic": {
                "system": MODELS,
                "code": f"{issuer.card.name}-{told.mark.model_version}",
                "display": f"{issuer.card.title} v{told.mark.model_version}",
            },
        },
        "links": [_link(told.stored, how, words)],
        "overrideReasons": words.override_reasons(),
    }
    return Card(uuid, told.stored.reference, told.stored.version, told.kind, told.mark.code, told.indicator, content)


def _link(stored: StoredReport, how: Presentation, words: CardWords) -> Json:
    """The way to the review page. The EHR adds `iss` and `launch`; what it does with `appContext` is its own affair, so the address names
    the report too (CDS Hooks 3.0.0, "Link").
    """
    ident = stored.reference.removeprefix("DiagnosticReport/")
    mark = "&" if "?" in how.launch_url else "?"
    return {
        "label": words.link(),
        "url": f"{how.launch_url}{mark}report={ident}",
        "type": "smart",
        "appContext": orjson.dumps({"report": ident}).decode(),
    }
