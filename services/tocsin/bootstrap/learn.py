"""Composes what `tocsin evaluate` runs: a journey up to its judgement, and labels and pictures of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tocsin.bootstrap.audit import sample_of
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.journey import allowance, classifier_of, judge_of, to_other_origins
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.image.fhir import FhirPictures
from tocsin.image.ports import Pictures
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.learning.flagged import rows
from tocsin.learning.labels_bus import OfMedia, labels, meanings
from tocsin.learning.run import Judging
from tocsin.learning.sought import as_recorded, newest, weighted
from tocsin.learning.types import Scored
from tocsin.learning.watch.performance import is_of_another, judged_at, latest, used_here
from tocsin.model_card import ModelCard
from tocsin.report.resources.mark import stored_report
from tocsin.report.told import ToldFlag, flags_of
from tocsin.review.ledger import Entry, entries, said
from tocsin.review.outcomes import Outcome
from tocsin.review.sample import Judged
from tocsin.settings import Settings
from tocsin.site.file import original, site_of


@contextmanager
def judging(settings: Settings, card: ModelCard) -> Iterator[Judging]:
    """What judges a picture as a journey does, until the block ends: by the input gate of the card's site, to the model's own score.

    Raises ConfigurationError; reaches out to nobody yet.
    """
    with closing(classifier_of(settings, card)) as classifier:
        judge = judge_of(settings, card, classifier, allowance(settings))
        own = replace(judge, card=original(card))
        yield Judging(own, at_once=settings.evaluate.pictures_at_once, give_up_after_s=settings.evaluate.give_up_after_s)


def labels_of_record(settings: Settings, card: ModelCard, findings: Mapping[str, bool]) -> list[OfMedia]:
    """What pathology and clinicians said of this installation's reports, weighted by its audit sample; `findings` as in `meanings`.

    What a report said is taken from its flag, and from the record where the bus no longer holds that. Raises ConfigurationError,
    ContractError, FhirRejected, and Unavailable (kafka or fhir).
    """
    outcomes, acts, told = _bus(settings)
    flags = [each.flag for each in told]
    found, judged = labels(outcomes, acts, flags, meanings(card, findings)), newest(flags)
    lost = {report for each in found for report in each.reports} - judged.keys()
    recorded = _recorded(FhirClient(settings.fhir), sorted(lost)) if lost else {}
    return weighted(found, recorded | judged, sample_of(settings, card_in_use(settings.model)))


@dataclass(frozen=True, slots=True)
class OfBus:
    """What flags and labels say together."""

    rows: list[Scored]
    card: ModelCard
    """As it is used here: by it the pictures were judged."""
    since: datetime | None
    """From when on flags were taken; None: from the first on."""


def scores_of_bus(settings: Settings, findings: Mapping[str, bool], since: datetime | None) -> OfBus:
    """The model's own scores of this installation's flags with their labels, weighted by its audit sample; `findings` as in `meanings`.

    Flags count that the card and site file in use made since then (aware), and since the site file was carried into use; of a flag that
    does not name its site file its number and band tell. Raises ConfigurationError, ContractError and Unavailable(kafka).
    """
    card = card_in_use(settings.model)
    site = site_of(card)
    carried = None if site is None or site.evaluation is None else site.evaluation.carried_on
    first = max(filter(None, (since, carried)), default=None)
    outcomes, acts, told = _bus(settings)
    flags = [each.flag for each in told]
    found = weighted(labels(outcomes, acts, flags, meanings(card, findings)), newest(flags), sample_of(settings, card))
    judged = latest(used_here(told, card), card, first or datetime.fromtimestamp(0, UTC))
    others = {each.flag.media for each in told if is_of_another(each, card) or (first is not None and judged_at(each.flag) < first)}
    return OfBus(rows(judged, found, others, card), card, first)


def _bus(settings: Settings) -> tuple[list[Outcome], list[Entry], list[ToldFlag]]:
    """What the bus has of this installation."""
    kafka, source = settings.kafka, settings.report.source
    with closing(KafkaTopicReader(kafka)) as reader:
        outcomes = [each for each in said(reader, kafka.topic_verdicts) if isinstance(each, Outcome) and each.source == source]
        acts = [each for each in entries(reader, kafka.topic_verdicts) if each.verdict.source == source]
        flags = list(flags_of(reader, kafka.topic_flags, source))
    return outcomes, acts, flags


def _recorded(fhir: FhirClient, reports: Iterable[str]) -> dict[str, Judged]:
    """What these reports said, of those that the record still shows."""
    found: dict[str, Judged] = {}
    for each in reports:
        answer = fhir.get_with_headers(each)
        if is_absent(answer):
            continue
        judged = as_recorded(stored_report(resource_of(accepted(answer, each), each), fhir.service_base))
        if judged is not None:
            found[each] = judged
    return found


def pictures_of_record(settings: Settings) -> Pictures:
    """Where pictures of the record come from. Raises ConfigurationError; reaches out to nobody yet."""
    return FhirPictures(FhirClient(settings.fhir), to_other_origins(settings, lambda: None), settings.image, utc_now)
