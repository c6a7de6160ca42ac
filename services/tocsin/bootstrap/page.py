"""Composes the room of `tocsin serve` that shows one report and takes verdicts on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

from tocsin.bootstrap.worklist import Followed
from tocsin.clock import utc_now
from tocsin.fhir.datatypes import Json
from tocsin.fhir.http import Http
from tocsin.fhir.reference import ServiceBase
from tocsin.image.content import Contents
from tocsin.model_card import ModelCard, limits_for
from tocsin.model_limits import Always, Known, Uncalibrated
from tocsin.report.lesion import lesion_at
from tocsin.report.words import Wording
from tocsin.review.acted import before
from tocsin.review.reasons import reasons_for
from tocsin.review.rules import allowed
from tocsin.review.types import Act, Verdicts
from tocsin.review.worklist import Worklist
from tocsin.serve.app import Room
from tocsin.serve.page.blueprint import blueprint
from tocsin.serve.page.looks import Looks
from tocsin.serve.page.ports import Choices, Kept, Phrases, Ports, Rules, Standings
from tocsin.serve.paper import LooksFirst
from tocsin.serve.types import RecordOf, Role, Session, Sessions
from tocsin.settings import Settings
from tocsin.words.catalogue import Catalogue


def page(
    settings: Settings,
    card: ModelCard,
    verdicts: Verdicts,
    of_list: Followed,
    sessions: Sessions,
    record_of: RecordOf,
    origins: Http,
    looks: Looks,
) -> Room:
    """The room; `of_list` tells what other processes took and EHRs told, `origins` reaches the other servers that pictures may lie on."""
    ports = Ports(
        sessions=sessions,
        record_of=record_of,
        verdicts=verdicts,
        standings=_standings(of_list.worklist),
        in_ehr=of_list.in_ehr,
        choices_of=_choices,
        reasons_for=reasons_for,
        card_of=lambda version: card if version == card.version else None,
        contents_of=lambda fhir: Contents(fhir, origins, settings.image),
        looks=looks,
        wording_of=cache(partial(Wording, card)),
        phrases=Phrases(limits_for=_limits, of_card=ModelCard.say, of_site=_site),
        now=utc_now,
    )
    return blueprint(ports, Rules(settings.report.source, settings.serve.zone, _blind(settings)))


def looks_first(settings: Settings, looks: Looks) -> LooksFirst:
    """Of rooms that show a report's result by another way than its page."""
    blind = _blind(settings)
    return lambda session, report: not session.roles.isdisjoint(blind) and looks.at(session.reader, report).is_none


def _blind(settings: Settings) -> frozenset[Role]:
    return frozenset(map(Role, settings.page.first_look_roles))


def _standings(worklist: Worklist) -> Standings:
    def of(report: str) -> Sequence[Kept]:
        row = worklist.row(report)
        return [] if row is None or row.answer is None else [Kept(row.answer.verdict, row.answer.act, row.answer.state)]

    return of


def _choices(report: Json, base: ServiceBase, session: Session) -> Choices:
    stood = before(report, base)
    acts = allowed(stood, session.clinician, session.issuer)
    return Choices(acts, stood.acted.verdict if stood.acted is not None and Act.UNDO in acts else None)


def _limits(card: ModelCard, known: Known) -> Sequence[str]:
    return [each.sentence for each in sorted(limits_for(card, known), key=lambda each: isinstance(each.condition, Always | Uncalibrated))]


def _site(site: Json, catalogue: Catalogue) -> str:
    return lesion_at(site).words(catalogue) if site else ""
