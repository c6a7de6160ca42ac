"""Announces the pictures that the record holds already, page by page, at a bounded rate. What it knows stands on Kafka alone.

A step that is repeated, or taken twice at the same time, announces one page twice: the events are the same and their journeys harmless.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from tocsin.archive.announce import BACKFILL, Pace, announce, with_studies
from tocsin.archive.ports import Archive
from tocsin.archive.types import BACKFILL_ID, STATED_NOWHERE, Backfill, Page, Query, State
from tocsin.deadletter.disputes import ADVICE, told
from tocsin.errors import FhirRejected
from tocsin.fhir.datatypes import token
from tocsin.image.gate import Acceptance
from tocsin.image.kind import names
from tocsin.kafka.ports import EventSink, Group, TopicReader
from tocsin.kafka.records import encode, latest
from tocsin.settings import BackfillSettings
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import BACKFILLS

EARLY_S: Final = 1.0
"""Seconds: a step that comes at most this much too early waits; one that comes earlier is another step's double and ends."""

STEP_S: Final = 5.0
"""Longest time in which one step evenly announces its pictures (seconds); below the time that a worker has to end its tasks."""

DISPUTED: Final = "disputed"
"""Reason in Backfill.skipped: an open dead letter doubts whose pictures these are."""

_ORDER: Final = "/order"
_OWN: Final = re.compile(f"{BACKFILL_ID}({_ORDER})?")
"""The record keys of backfills; other jobs keep their progress on the same topic, under keys of their own."""
_TICK: Final = timedelta(microseconds=1)


class Backfills:
    """Every backfill, as it stands on Kafka."""

    def __init__(self, reader: TopicReader, sink: EventSink, topic: str) -> None:
        """`topic` is compacted."""
        self._log = reader
        self._sink = sink
        self._topic = topic

    def all(self) -> list[Backfill]:
        """Every backfill, sorted by the time of its start. Raises Unavailable(kafka)."""
        last = latest(self._log, self._topic, Backfill, wanted=lambda key: _OWN.fullmatch(key) is not None)
        found = (ordered(each, last.get(key + _ORDER)) for key, each in last.items() if not key.endswith(_ORDER))
        return sorted(found, key=lambda each: each.started_at)

    def get(self, backfill: str) -> Backfill | None:
        """The backfill of this id; None where there is none. Raises Unavailable(kafka)."""
        return next((each for each in self.all() if each.id == backfill), None)

    def save(self, backfill: Backfill) -> None:
        """Return once Kafka has the backfill. Raises Unavailable(kafka)."""
        self._send(backfill.id, backfill)

    def order(self, backfill: Backfill, state: State) -> Backfill:
        """Keep an operator's order about this backfill, under its own key: no step under way overwrites it.

        The order's time is a moment after the step that the operator saw, so that only the workers' clocks decide what came later.
        Raises Unavailable(kafka).
        """
        order = backfill.model_copy(update={"state": state, "updated_at": backfill.updated_at + _TICK})
        self._send(backfill.id + _ORDER, order)
        return ordered(backfill, order)

    def _send(self, key: str, value: Backfill) -> None:
        self._sink.send(self._topic, key.encode("ascii"), encode(value))


def ordered(progress: Backfill, order: Backfill | None) -> Backfill:
    """The backfill as its steps left it, in the state that an operator ordered last."""
    if order is None or progress.state == "done":
        return progress
    if order.state != "running":
        return progress.model_copy(update={"state": order.state, "note": progress.note if progress.state == "paused" else None})
    if order.updated_at <= progress.updated_at:
        return progress
    return progress.model_copy(update={"state": "running", "note": None})


Standing = Literal["running", "waiting", "overdue", "refused", "paused"]
"""How a backfill stands that has not ended; see telemetry/metrics.py."""


def standing(backfill: Backfill, latest: datetime) -> Standing | None:
    """How the backfill stands; None where it has ended. A step that was due before `latest` (aware) is overdue."""
    match backfill.state:
        case "running" if backfill.next_at < latest:
            return "overdue"
        case "running":
            return "running" if backfill.note is None else "waiting"
        case "paused":
            return "paused" if backfill.note is None else "refused"
        case _:
            return None


def begun(query: Query, *, total: int, per_second: float, now: datetime) -> Backfill:
    """A new backfill, whose first step is due; `total` is how many Media match."""
    return Backfill(
        version=1,
        id=secrets.token_hex(4),
        query=query,
        total=total,
        state="running",
        started_at=now,
        updated_at=now,
        next_at=now,
        per_second=per_second,
    )


def modalities(acceptance: Acceptance, chosen: Collection[str] | None) -> tuple[str, ...]:
    """The default of Query.modality: `chosen` by the settings, else what the model accepts, so that no X-ray is announced."""
    if chosen is not None:
        return tuple(chosen)
    accepted = sorted(token(name) for each in acceptance.modalities for name in names(each))
    vouched = acceptance.modality_when_absent in acceptance.modalities
    return (*accepted, STATED_NOWHERE) if vouched else tuple(accepted)


@dataclass(frozen=True, slots=True)
class Backfiller:
    """Carries backfills on, step by step."""

    backfills: Backfills
    archive: Archive
    sink: EventSink
    group: Group
    topic: str
    """The topic on which the pictures are announced."""
    settings: BackfillSettings
    now: Callable[[], datetime]
    """The time, aware."""
    disputed: Callable[[Collection[str]], Mapping[str, str]]
    """The disputed ones of these Media (references), each with its dead letter; raises Deferred(kafka) and Stop."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], object] = time.sleep

    def step(self, backfill: str) -> float | None:
        """Announce the next page of the backfill with this id.

        Returns the seconds until its next step is to be taken, or None where there is none. Raises Deferred where Kafka or the FHIR server
        is away, and Stop: what was not kept is done again by the next step.
        """
        standing = self.backfills.get(backfill)
        if standing is None or standing.state != "running":
            return None
        early_s = (standing.next_at - self.now()).total_seconds()
        if early_s > 0:
            long_s = (standing.next_at - standing.updated_at).total_seconds()
            longest_s = self.settings.pause_max_s
            return min(early_s, longest_s) if early_s <= EARLY_S or long_s > longest_s else None
        waiting = self.group.lag(self.topic)
        if waiting > self.settings.lag_max:
            return self._keep(standing, self.settings.lag_wait_s, note=f"waits: {waiting} announced pictures are not judged yet")
        try:
            page = self.archive.media(standing.query, standing.cursor, self._count(standing))
            page = self._undisputed(standing, page)
            reports = self.archive.reports_on([each.media for each in page.candidates])
        except FhirRejected as refused:
            self._stand_still(standing, refused)
            return None
        pace = Pace(standing.per_second, self.clock, self.sleep)
        announce(self.sink, self.topic, BACKFILL, with_studies(page.candidates, reports), pace)
        return self._keep_page(standing, page, max(0.0, pace.left_s))

    def _count(self, standing: Backfill) -> int:
        """How many Media one step reads: as many as the backfill's rate and `page_media` allow, and one at least."""
        return min(self.settings.page_media, max(1, int(standing.per_second * STEP_S)))

    def overdue(self) -> list[str]:
        """Ids of the running backfills whose step is more than `stale_after_s` overdue, for whatever reason. Raises Unavailable(kafka).

        Counts how each backfill stands that has not ended.
        """
        latest = self.now() - timedelta(seconds=self.settings.stale_after_s)
        found = {each.id: how for each in self.backfills.all() if (how := standing(each, latest)) is not None}
        for state, count in Counter(found.values()).items():
            BACKFILLS.add(count, {"state": state})
        return [backfill for backfill, how in found.items() if how == "overdue"]

    def _undisputed(self, standing: Backfill, page: Page) -> Page:
        """The page without its disputed pictures: a person has to find out first whose they are."""
        disputed = self.disputed([each.media for each in page.candidates])
        if not disputed:
            return page
        logger().warning(
            "disputed pictures left out of the backfill: a dead letter doubts whose they are",
            backfill=standing.id,
            detail=told(disputed),
            advice=ADVICE,
        )
        announced = tuple(each for each in page.candidates if each.media not in disputed)
        left_out = len(page.candidates) - len(announced)
        return replace(page, candidates=announced, skipped={**page.skipped, DISPUTED: left_out})

    def _keep_page(self, before: Backfill, page: Page, pause_s: float) -> float | None:
        read = len(page.candidates) + sum(page.skipped.values())
        after = before.model_copy(
            update={
                "cursor": page.cursor,
                "announced": before.announced + len(page.candidates),
                "skipped": dict(Counter(before.skipped) + Counter(page.skipped)),
            }
        )
        logger().info(
            "backfill read a page of Media and announced its pictures",
            backfill=before.id,
            announced=after.announced,
            skipped=sum(after.skipped.values()),
            topic=self.topic,
        )
        if page.last:
            self._save(after, state="done", next_at=self.now())
            return None
        if not read:
            note = "waits: the Media that are left changed within TOCSIN_BACKFILL__SETTLE_S"
            return self._keep(after, self.settings.lag_wait_s, note=note)
        return self._keep(after, pause_s)

    def _keep(self, backfill: Backfill, wait_s: float, note: str | None = None) -> float:
        self._save(backfill, state="running", next_at=self.now() + timedelta(seconds=wait_s), note=note)
        return min(wait_s, self.settings.pause_max_s)

    def _stand_still(self, backfill: Backfill, refused: FhirRejected) -> None:
        logger().warning(
            "backfill paused: the FHIR server refuses its search",
            backfill=backfill.id,
            reason=refused.reason,
            detail=str(refused),
            advice="What it announced stays announced. Have the server take this search (`tocsin check`), then run "
            f"`tocsin backfill resume {backfill.id}`. Where the search itself is wrong, cancel this backfill and start another.",
        )
        self._save(backfill, state="paused", next_at=self.now(), note=f"the FHIR server refuses its search: {refused}"[:500])

    def _save(self, backfill: Backfill, *, state: State, next_at: datetime, note: str | None = None) -> None:
        now = max(self.now(), backfill.updated_at + _TICK)  # a later step has a later time, whichever worker's clock it is by
        self.backfills.save(backfill.model_copy(update={"state": state, "updated_at": now, "next_at": next_at, "note": note}))
