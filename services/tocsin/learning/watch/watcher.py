"""One look: the topics are read as they stand, and everything is worked out anew; nothing is kept that a restart could lose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from tocsin.image.types import ObstacleCode
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.records import read
from tocsin.learning.labels_bus import meanings
from tocsin.learning.watch import inputs, performance
from tocsin.learning.watch.inputs import ASSESSED, Baseline, Judged, Rules
from tocsin.learning.watch.types import Look, State
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.review.ledger import Entry, entries, said
from tocsin.review.outcomes import Outcome
from tocsin.settings import KafkaSettings, WatchSettings
from tocsin.site.file import site_of
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import WATCH_FIGURE, WATCH_LOOKS

STATES: Final = get_args(State)


class Watcher:
    """Looks at this installation's flags, outcomes and verdicts."""

    def __init__(
        self, reader: TopicReader, topics: KafkaSettings, source: str, card: ModelCard, settings: WatchSettings, baseline: Baseline | None
    ) -> None:
        """`card` as it is used at the site; without a baseline nothing is said of what comes in."""
        self._reader, self._topics, self._source, self._card = reader, topics, source, card
        self._settings, self._baseline = settings, baseline

    def look(self, now: datetime) -> list[Look]:
        """How everything stands; `now` is aware. Raises Unavailable(kafka), and ContractError (Stop) for no such topic."""
        settings, site = self._settings, site_of(self._card)
        carried = None if site is None or site.evaluation is None else site.evaluation.carried_on
        since = performance.begun(now, (settings.since, carried), settings.epoch_days)
        window = max([now - timedelta(days=settings.window_days), *filter(None, (settings.since, carried))])
        flags = self._flags(min(since, window))
        return [*self._inputs(flags, window, now), *self._performance(performance.latest(flags, self._card, since), since)]

    def _flags(self, since: datetime) -> list[Flag]:
        return [flag for _, flag in read(self._reader, self._topics.topic_flags, Flag, since) if flag.source == self._source]

    def _inputs(self, flags: Sequence[Flag], window: datetime, now: datetime) -> list[Look]:
        if self._baseline is None:
            return []
        judged = [
            Judged(performance.judged_at(each).astimezone(UTC).date(), each.probability, each.reason or ASSESSED)
            for each in performance.latest(flags, self._card, window).values()
        ]
        settings = self._settings
        rules = Rules(settings.window_days, settings.histogram_days, settings.batch_pictures_min, settings.false_alarm_days)
        return inputs.looks(judged, self._baseline, rules, now.astimezone(UTC).date())

    def _performance(self, flags: dict[str, Flag], since: datetime) -> list[Look]:
        settings, card = self._settings, self._card
        outcomes, acts = self._said(since)
        classes = performance.classes_of(card)
        missed = performance.misses(outcomes, flags, meanings(card, dict.fromkeys(settings.malignant_findings, True)), classes)
        logger().info(
            "cancers that pathology confirmed, as they were judged",
            missed=sum(each.failed for each in missed.cases),
            judged=len(missed.cases),
            not_assessable=missed.not_assessable,
            flag_not_known=missed.unknown,
        )
        alpha = settings.false_alarm_chance
        bands = [each.code for each in card.operating_point.bands] + [performance.UNJUDGED]
        kinds = [*dict.fromkeys(classes.values()), performance.OTHER]
        return [
            *performance.looks("misses", missed.cases, kinds, settings.miss_rate_max, alpha),
            *performance.looks("overrides", performance.overrides(acts, flags), bands, settings.override_rate_max, alpha),
        ]

    def _said(self, since: datetime) -> tuple[list[Outcome], list[Entry]]:
        topic = self._topics.topic_verdicts
        outcomes = [each for each in said(self._reader, topic, since) if isinstance(each, Outcome) and each.source == self._source]
        return outcomes, [each for each in entries(self._reader, topic, since) if each.verdict.source == self._source]


def tell(looks: Sequence[Look]) -> None:
    """Count the looks and log the alarms. A state that was not found counts 0, so that its first alarm is seen to grow."""
    for look in looks:
        for state in STATES:
            WATCH_LOOKS.add(float(state == look.state), {"signal": look.signal, "group": look.group, "state": state})
        if look.figure is not None:
            WATCH_FIGURE.record(max(0.0, look.figure), {"signal": look.signal, "group": look.group})
        if look.state == "alarm":
            logger().warning(
                "the model is not where its evaluation left it",
                signal=look.signal,
                group=look.group,
                of=look.of,
                figure=None if look.figure is None else round(look.figure, 2),
                advice="see deploy/watching.md",
            )


def reasons_of_reports() -> frozenset[str]:
    """Reasons with which a picture gets a report that says it is not assessable."""
    return frozenset(get_args(ObstacleCode))
