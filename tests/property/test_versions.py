"""Versions of Tocsin side by side: whatever their order, they come to rest, with one report and one flag that agree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Queue
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.errors import Contended
from tocsin.event.types import ImagingEvent
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import Picture
from tocsin.journey import Journey
from tocsin.model_card import ModelCard
from tocsin.report.flag import WITHDRAWN, Flag
from tocsin.report.grounds import grounds_by
from tocsin.report.publish import Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import Found, Grounds, Report, StoredReport
from tocsin.risk.look import Judge
from tocsin.settings import ImageSettings

from tests.builders import card, event_json, picture
from tests.fakes.stages import FakeClassifier, FakeFlags, FakePictures, FakeReports

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT: Final = ImagingEvent.model_validate(event_json())
DEADLINE_S: Final = 20.0
ATTEMPTS_MAX: Final = 6
"""As TOCSIN_CONSUME__ATTEMPTS_MAX."""
ROUNDS: Final = 3
"""Deliveries to every version after which nothing moves any more: one for each version."""


@dataclass(frozen=True)
class Version:
    """What may differ between two deployments."""

    edition: int
    judging: int
    model: int
    high_from: float
    prose: str

    @property
    def card(self) -> ModelCard:
        point = card().operating_point.model_dump()
        point["bands"][2]["at_least"] = self.high_from
        return card(version=str(self.model), title=self.prose, operating_point=point)


VERSIONS: Final = st.builds(
    Version,
    st.integers(0, 2),
    st.integers(2, 3),
    st.integers(3, 4),
    st.sampled_from([0.3, 0.9]),
    st.sampled_from(["A reader", "The reader"]),
)


@dataclass
class Turns:
    """Lets one of several journeys at a time take one step, as a list of numbers says."""

    ready: Queue[threading.Event | None] = field(default_factory=Queue)
    """Who waits for a turn; None: one that has ended."""

    def wait(self) -> None:
        """For this journey's turn."""
        turn = threading.Event()
        self.ready.put(turn)
        assert turn.wait(DEADLINE_S)

    def give(self, journeys: int, choices: Sequence[int]) -> None:
        """Until all journeys have ended."""
        choice, waiting = iter(choices), list[threading.Event]()
        moving = journeys
        while moving or waiting:
            while moving:
                turn = self.ready.get(timeout=DEADLINE_S)
                waiting += [turn] if turn is not None else []
                moving -= 1
            if waiting:
                waiting.pop(next(choice, 0) % len(waiting)).set()
                moving = 1


@dataclass
class SteppedReports(FakeReports):
    """The record in memory, one step of a journey at a time."""

    step: Callable[[], None] = lambda: None

    def find(self, picture: Picture, grounds: Grounds) -> Found:
        self.step()
        return super().find(picture, grounds)

    def write(self, report: Report) -> StoredReport:
        self.step()
        return super().write(report)

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        self.step()
        return super().supersede_older(stored, now)

    def refresh(self, stored: StoredReport) -> StoredReport:
        self.step()
        return super().refresh(stored)


@dataclass
class SteppedFlags(FakeFlags):
    """The flag topic, one step of a journey at a time."""

    step: Callable[[], None] = lambda: None

    def announce(self, flag: Flag, site_file: str | None) -> None:
        self.step()
        super().announce(flag, site_file)


class Site:
    """One record and one bus, and versions that are at work on them."""

    def __init__(self) -> None:
        self.pictures = FakePictures({"Media/m1": picture()})
        self.reports = FakeReports(Issuer(card(), "urn:tocsin:site:test"))
        self.flags = FakeFlags()

    def journey(self, version: Version, step: Callable[[], None] = lambda: None) -> Journey:
        """As a process of this version has it."""
        of, known = version.card, self.reports
        issuer, accepted = Issuer(of, known.issuer.source), acceptance(of, ImageSettings())
        reports = SteppedReports(issuer, known.written, known.standings, known.versions, known.deleted, known._lock, step)
        return Journey(
            pictures=self.pictures,
            judge=Judge(Decoder(Allowance(100_000_000, 10), pixels_max=1_000_000, reduce_to_px=None), accepted, FakeClassifier(of), of),
            grounds=grounds_by(of, accepted, edition=version.edition, judging=version.judging),
            publisher=Publisher(reports, SteppedFlags(self.flags.announced, step=step), issuer, lambda: NOON),
        )

    def corrected(self) -> None:
        """The patient's age is another from now on; the Media is the same."""
        old = self.pictures.pictures["Media/m1"]
        self.pictures.pictures["Media/m1"] = replace(old, facts=replace(old.facts, age_years=56.0))

    def stored_again(self) -> None:
        """The Media is stored in another version."""
        old = self.pictures.pictures["Media/m1"]
        self.pictures.pictures["Media/m1"] = replace(old, version="2", as_of=old.as_of + timedelta(minutes=1))

    def delivered(self, versions: Sequence[Version], change: Callable[[Site], None] | None, choices: Sequence[int]) -> None:
        """The event comes to each of these at once, while the record changes or does not."""
        turns = Turns()
        actors: list[Callable[[], None]] = [partial(self._ends, self.journey(each, turns.wait)) for each in versions]
        if change is not None:
            actors.append(partial(self._changes, turns, change))
        with ThreadPoolExecutor(len(actors)) as threads:
            ends = [threads.submit(self._last, turns, actor) for actor in actors]
            turns.give(len(actors), choices)
        _raised(ends)

    def again(self, versions: Sequence[Version]) -> None:
        """The event comes to one after the other."""
        for each in versions:
            self._ends(self.journey(each))

    def _changes(self, turns: Turns, change: Callable[[Site], None]) -> None:
        turns.wait()
        change(self)

    def _last(self, turns: Turns, actor: Callable[[], object]) -> None:
        try:
            actor()
        finally:
            turns.ready.put(None)

    def _ends(self, journey: Journey) -> None:
        for _ in range(ATTEMPTS_MAX):
            try:
                journey(EVENT)
            except Contended:
                continue
            return
        raise AssertionError("the event lost every race")

    def agrees(self) -> StoredReport:
        """The one report that holds, of which every last flag says what the record says."""
        [holds] = [each for each in self.reports.standings.values() if each.status not in WITHDRAWN]
        last = {flag.report: flag for flag in self.flags.announced}
        for reference, flag in last.items():
            stands = self.reports.standings[reference]
            assert stands.mark is not None
            assert (flag.status, flag.band, flag.probability) == (stands.status, stands.mark.code, stands.mark.score)
        assert holds.reference in last
        return holds

    def by(self, version: Version) -> Grounds:
        return self.journey(version).grounds(self.pictures.pictures["Media/m1"])


def _raised(ends: Sequence[Future[None]]) -> None:
    for each in ends:
        each.result(DEADLINE_S)


@given(
    versions=st.lists(VERSIONS, min_size=2, max_size=3),
    again=st.lists(st.integers(0, 2), max_size=3),
    change=st.sampled_from([None, Site.corrected, Site.stored_again]),
    choices=st.lists(st.integers(0, 5), max_size=60),
)
@settings(max_examples=80, deadline=None)
def test_versions_side_by_side_come_to_rest_with_the_newest_ones_report_and_a_flag_that_agrees(
    versions: list[Version], again: list[int], change: Callable[[Site], None] | None, choices: list[int]
) -> None:
    site = Site()
    deliveries = [*versions, *(versions[each % len(versions)] for each in again)]
    site.delivered(deliveries, change, choices)
    site.agrees()
    for _ in range(ROUNDS):
        site.again(versions)
    resting = dict(site.reports.versions)
    site.again([*reversed(versions), *versions])
    assert dict(site.reports.versions) == resting
    holds = site.agrees()
    newest = max(site.by(each).rank for each in versions)
    assert holds.mark is not None
    assert holds.mark.grounds in {site.by(each).fingerprint for each in versions if site.by(each).rank == newest}


OLD: Final = Version(edition=1, judging=2, model=3, high_from=0.3, prose="A reader")
NEW: Final = replace(OLD, edition=2, high_from=0.9)


@given(deliveries=st.permutations([OLD, NEW, OLD, NEW]), choices=st.lists(st.integers(0, 3), max_size=40))
@settings(max_examples=40, deadline=None)
def test_once_the_newer_of_two_versions_has_ended_its_event_no_delivery_to_the_older_one_was_the_last_word(
    deliveries: list[Version], choices: list[int]
) -> None:
    site = Site()
    site.delivered(deliveries, None, choices)
    holds = site.agrees()
    assert holds.mark is not None
    assert holds.mark.grounds == site.by(NEW).fingerprint
    assert site.reports.versions[holds.reference] <= len({OLD, NEW})
