"""Composes the monthly report: flags and outcomes of the bus, device and body site of the record, and the folder where it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tocsin.bootstrap.audit import sample_of
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.watch import baseline_in_use, record_of
from tocsin.errors import TocsinError
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.learning.about import Told, about, flow, malignant_classes, point
from tocsin.learning.evaluation import evaluated
from tocsin.learning.flagged import contradicts
from tocsin.learning.labels_bus import labels, meanings, sha256_of_labels
from tocsin.learning.monthly.compose import as_json, composed
from tocsin.learning.monthly.month import Month
from tocsin.learning.monthly.parts import MonthFound, answers, oldest, volumes
from tocsin.learning.monthly.rows import rows_of, with_groups
from tocsin.learning.monthly.shelf import Shelf
from tocsin.learning.parts import OF_A_MONTH, Evaluation
from tocsin.learning.report.speech import Speech
from tocsin.learning.scores import Header, tally
from tocsin.learning.sought import newest, weighted
from tocsin.learning.types import Scored
from tocsin.learning.watch import origins
from tocsin.learning.watch.origins import Record
from tocsin.learning.watch.performance import judged_at, latest, used_here
from tocsin.learning.watch.watcher import Watcher, carried_on
from tocsin.model_card import ModelCard
from tocsin.paper.go_live import pages
from tocsin.report.flag import Flag
from tocsin.report.told import ToldFlag, flags_of
from tocsin.review.ledger import Entry, entries, said
from tocsin.review.outcomes import Outcome
from tocsin.settings import Settings
from tocsin.site.file import card_sha256, input_gate_of, original
from tocsin.site.gate import gate_sha256
from tocsin.telemetry.log import logger

CONFIDENCE: Final = 0.95


def report_month(settings: Settings, now: datetime) -> None:
    """Make the report of the last month, once its day has come and where it is not there; `now` is aware.

    Raises ConfigurationError, ContractError, and Unavailable(kafka).
    """
    of, month = settings.watch, Month.before(now)
    if of.report_folder is None or now.day < of.report_day or Shelf(of.report_folder, of.reports_kept).has(month):
        return
    made(settings, month, of.report_folder, now)


def made(settings: Settings, month: Month, folder: Path, now: datetime, language: str | None = None) -> tuple[MonthFound, dict[str, Path]]:
    """Make a month's report, instead of one that is there, and say where its files are.

    Pages are in that language, one of the catalogue's, or in that of the installation's reports; the JSON has none. Raises as report_month
    does.
    """
    card, shelf = card_in_use(settings.model), Shelf(folder, settings.watch.reports_kept)
    with closing(KafkaTopicReader(settings.kafka)) as reader:
        found = found_of(settings, month, now, reader, record_of(settings, card))
    speech = Speech.of(language or settings.report.language)
    page, paper = pages(composed(found, card, speech), speech)
    shelf.put(month, {"html": page, "pdf": paper, "json": as_json(found)})
    logger().info("the report of a month was made", detail=f"{month}, {found.volumes.pictures} pictures, in {folder}")
    return found, shelf.of(month)


def found_of(settings: Settings, month: Month, now: datetime, reader: TopicReader, record: Record) -> MonthFound:
    """What bus and record say of a month by `now` (aware). Raises as report_month does."""
    card = card_in_use(settings.model)
    watching = Watcher(reader, settings.kafka, settings.report.source, card, settings.watch, baseline_in_use(settings, card), record)
    looks, bus = watching.look(month.end), _read(settings, reader, month)
    counted_from = max([month.start, *filter(None, (settings.watch.since, carried_on(card)))])
    holding = latest(used_here(bus.told, card), card, counted_from)
    counted = {media: flag for media, flag in holding.items() if not contradicts(flag, card)}
    evaluation, origins_known = _evaluated(settings, card, counted, bus, record, now)
    return MonthFound(
        month=str(month),
        made_at=now,
        oldest_flag_at=bus.oldest,
        counted_from=counted_from,
        judged_by_others=len(holding) - len(counted),
        volumes=volumes([each.flag for each in bus.told], card),
        answers=answers(bus.acts, frozenset(each.flag.report for each in bus.told)),
        looks=tuple(looks),
        origins_known=origins_known,
        evaluation=evaluation,
    )


@dataclass(frozen=True, slots=True)
class _Bus:
    """What the bus says of a month's pictures."""

    told: Sequence[ToldFlag]
    oldest: datetime | None
    """Of all flags that it holds."""
    outcomes: Sequence[Outcome]
    acts: Sequence[Entry]


def _read(settings: Settings, reader: TopicReader, month: Month) -> _Bus:
    kafka, source = settings.kafka, settings.report.source
    whole = list(flags_of(reader, kafka.topic_flags, source))
    outcomes = [each for each in said(reader, kafka.topic_verdicts, month.start) if isinstance(each, Outcome) and each.source == source]
    acts = [each for each in entries(reader, kafka.topic_verdicts, month.start) if each.verdict.source == source]
    return _Bus([each for each in whole if month.holds(judged_at(each.flag))], oldest(each.flag for each in whole), outcomes, acts)


def _evaluated(
    settings: Settings, card: ModelCard, flags: Mapping[str, Flag], bus: _Bus, record: Record, now: datetime
) -> tuple[Evaluation, bool]:
    """The evaluation of these flags by what was said of them, and whether the record said where they come from."""
    meaning = meanings(card, dict.fromkeys(settings.watch.malignant_findings, True))
    found = weighted(labels(bus.outcomes, bus.acts, flags.values(), meaning), newest(flags.values()), sample_of(settings, card))
    rows = list(rows_of(flags, found))
    known = _origins(settings, record, flags, rows)
    counted = tally(rows if known is None else with_groups(rows, known))
    told = Told(settings.report.source, OF_A_MONTH, "", now)
    of = about(_header(card, sha256_of_labels(found), now), card, told)
    at = point(card.operating_point, 1 - settings.watch.miss_rate_max, CONFIDENCE)
    return evaluated(counted.cases, flow(counted), of, at, agreement=counted.agreement), known is not None


def _origins(settings: Settings, record: Record, flags: Mapping[str, Flag], rows: Iterable[Scored]) -> Mapping[str, origins.Origin] | None:
    """Device and body site of the labelled pictures, of at most as many as a look asks for; None where the record did not say."""
    most = settings.watch.record_pictures_max
    wanted = origins.sample((each.picture for each in rows if each.malignant is not None), most)
    try:
        return record.origins({media: flags[media].subject for media in wanted}) if most else None
    except TocsinError as error:
        logger().warning("the record did not say where pictures come from", detail=str(error), advice="run `tocsin check`")
        return None


def _header(card: ModelCard, labels_sha256: str, now: datetime) -> Header:
    return Header(
        model=str(card.model),
        card_sha256=card_sha256(original(card)),
        served_sha256=card.provenance.served_sha256,
        modality="",
        source="bus",
        labels_sha256=labels_sha256,
        malignant_classes=malignant_classes(card),
        input_gate_sha256=gate_sha256(input_gate_of(card)),
        made_at=now,
    )
