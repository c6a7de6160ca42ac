"""One look: the topics are read as they stand, and everything is worked out anew; nothing is kept that a restart could lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, get_args

from tocsin.errors import TocsinError
from tocsin.image.types import ObstacleCode
from tocsin.kafka.ports import TopicReader
from tocsin.learning.flagged import contradicts
from tocsin.learning.labels_bus import meanings
from tocsin.learning.watch import inputs, origins, performance
from tocsin.learning.watch.inputs import ASSESSED, Baseline, Judged, Rules
from tocsin.learning.watch.origins import ELSEWHERE, Origin, Record
from tocsin.learning.watch.performance import Case, Misses, Sites
from tocsin.learning.watch.types import Look, State
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.report.told import flags_of
from tocsin.review.ledger import Entry, entries, said
from tocsin.review.outcomes import Outcome
from tocsin.settings import KafkaSettings, WatchSettings
from tocsin.site.file import site_of
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import WATCH_FIGURE, WATCH_LOOKS

STATES: Final = get_args(State)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the record was asked for, and what it said."""

    week: tuple[str, ...]
    """Media drawn of the week of histograms."""
    misses: tuple[str, ...]
    overrides: tuple[str, ...]
    origins: Mapping[str, Origin] | None
    """None: it could not be asked."""

    def regions(self, drawn: Sequence[str], regions: tuple[str, ...]) -> Sites:
        """Where on the body those were; what the record no longer shows is ELSEWHERE."""
        known = self.origins
        of = None if known is None else {each: known[each].region if each in known else ELSEWHERE for each in drawn}
        return Sites((*regions, ELSEWHERE), of)


class Watcher:
    """Looks at this installation's flags, outcomes and verdicts, and asks the record where pictures come from."""

    def __init__(
        self,
        reader: TopicReader,
        topics: KafkaSettings,
        source: str,
        card: ModelCard,
        settings: WatchSettings,
        baseline: Baseline | None,
        record: Record | None = None,
    ) -> None:
        """`card` as it is used at the site; without a baseline nothing is said of what comes in, without a record nothing of origins."""
        self._reader, self._topics, self._source, self._card = reader, topics, source, card
        self._settings, self._baseline, self._record = settings, baseline, record

    def look(self, now: datetime) -> list[Look]:
        """How everything stood at `now` (aware), by what was judged and said until then and is still on the bus.

        Raises Unavailable(kafka), and ContractError (Stop) for no such topic.
        """
        settings, carried = self._settings, carried_on(self._card)
        since = performance.begun(now, (settings.since, carried), settings.epoch_days)
        window = max([now - timedelta(days=settings.window_days), *filter(None, (settings.since, carried))])
        flags = [each for each in self._flags(min(since, window)) if performance.judged_at(each) <= now]
        recent, counted = (performance.latest(flags, self._card, begin) for begin in (window, since))
        missed, answered = self._cases(counted, since, now)
        found = self._origins(recent, missed, answered, counted, now)
        return [*self._inputs(recent, found, now), *self._performance(missed, answered, found)]

    def _flags(self, since: datetime) -> list[Flag]:
        return list(performance.used_here(flags_of(self._reader, self._topics.topic_flags, self._source, since), self._card))

    def _rules(self) -> Rules:
        settings = self._settings
        return Rules(settings.window_days, settings.histogram_days, settings.batch_pictures_min, settings.false_alarm_days)

    def _inputs(self, flags: Mapping[str, Flag], found: _Found | None, now: datetime) -> list[Look]:
        if self._baseline is None:
            return []
        judged = [_judged(each, self._card) for each in flags.values()]
        others = sum(each.score is None and each.reason == ASSESSED for each in judged)
        if others:
            logger().warning(
                "scores are compared with nothing: number and band of their flags do not go together by the site file in use",
                skipped=others,
                advice="set TOCSIN_WATCH__SINCE to when every process had the site file",
            )
        rules = self._rules()
        looks = inputs.looks(judged, self._baseline, rules, now.astimezone(UTC).date())
        if found is None:
            return looks
        known = None if found.origins is None else [found.origins[each] for each in found.week if each in found.origins]
        compared = partial(inputs.compared, rules=rules)
        return [*looks, *origins.looks(known, len(found.week), self._baseline.mixes, compared)]

    def _cases(self, flags: Mapping[str, Flag], since: datetime, now: datetime) -> tuple[Misses, tuple[Case, ...]]:
        outcomes, acts = self._said(since, now)
        meaning = meanings(self._card, dict.fromkeys(self._settings.malignant_findings, True))
        missed = performance.misses(outcomes, flags, meaning, performance.classes_of(self._card))
        return missed, performance.overrides(acts, flags)

    def _performance(self, missed: Misses, answered: Sequence[Case], found: _Found | None) -> list[Look]:
        settings, card = self._settings, self._card
        logger().info(
            "cancers that pathology confirmed, as they were judged",
            missed=sum(each.failed for each in missed.cases),
            judged=len(missed.cases),
            not_assessable=missed.not_assessable,
            flag_not_known=missed.unknown,
        )
        regions = card.facts.sites[:-1]
        of_misses = None if found is None else found.regions(found.misses, regions)
        of_answers = None if found is None else found.regions(found.overrides, regions)
        bands = [each.code for each in card.operating_point.bands] + [performance.UNJUDGED]
        kinds = [*dict.fromkeys(performance.classes_of(card).values()), performance.OTHER]
        alpha = settings.false_alarm_chance
        return [
            *performance.looks("misses", missed.cases, kinds, settings.miss_rate_max, alpha, of_misses),
            *performance.looks("overrides", answered, bands, settings.override_rate_max, alpha, of_answers),
        ]

    def _origins(
        self, recent: Mapping[str, Flag], missed: Misses, answered: Sequence[Case], counted: Mapping[str, Flag], now: datetime
    ) -> _Found | None:
        """What the record says of the pictures that are drawn; None where it is not to be asked."""
        most = self._settings.record_pictures_max
        if self._record is None or most == 0:
            return None
        week = frozenset(inputs.whole_days(self._rules(), now.astimezone(UTC).date()))
        mixes = self._baseline is not None and self._baseline.mixes
        of_week = origins.sample((media for media, flag in recent.items() if _day(flag) in week), most) if mixes else []
        of_misses, of_answers = (origins.thinned([each.media for each in cases], most) for cases in (missed.cases, answered))
        flags = {**recent, **counted}
        wanted = {media: flags[media].subject for media in (*of_week, *of_misses, *of_answers)}
        known: Mapping[str, Origin] | None = {}
        try:
            known = self._record.origins(wanted) if wanted else known
        except TocsinError as error:
            logger().warning(
                "the record did not say where pictures come from",
                detail=str(error),
                advice="run `tocsin check`; devices and body sites are not known at this look, and it is tried again at the next",
            )
            known = None
        return _Found(tuple(of_week), tuple(of_misses), tuple(of_answers), known)

    def _said(self, since: datetime, now: datetime) -> tuple[list[Outcome], list[Entry]]:
        topic = self._topics.topic_verdicts
        told = (each for each in said(self._reader, topic, since) if isinstance(each, Outcome))
        outcomes = [each for each in told if each.source == self._source and each.at <= now]
        acts = entries(self._reader, topic, since)
        return outcomes, [each for each in acts if each.verdict.source == self._source and each.verdict.decided_at <= now]


def carried_on(card: ModelCard) -> datetime | None:
    """When the site file that is in use was promoted; None where the card is used alone, or it was not promoted."""
    site = site_of(card)
    return None if site is None or site.evaluation is None else site.evaluation.carried_on


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


def _judged(flag: Flag, card: ModelCard) -> Judged:
    """What the flag says, without a number on another scale than the site file's; a card alone has one scale, whatever its bands."""
    other = site_of(card) is not None and contradicts(flag, card)
    return Judged(_day(flag), None if other else flag.probability, flag.reason or ASSESSED)


def _day(flag: Flag) -> date:
    return performance.judged_at(flag).astimezone(UTC).date()
