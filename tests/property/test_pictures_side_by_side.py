"""Pictures of one Media that are judged side by side, step by step in any order: one report holds, and the bus says which."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.event.types import ImagingEvent
from tocsin.image.types import Picture

from tests.builders import picture
from tests.fakes.stages import FakePictures
from tests.property.test_versions import OLD, Site, Turns

FIRST = picture()
SECOND = replace(FIRST, version="2", as_of=FIRST.as_of + timedelta(minutes=1), content_sha256="cd" * 32)
THIRD = replace(FIRST, version="3", as_of=FIRST.as_of + timedelta(minutes=2), content_sha256="ef" * 32)
PICTURES = (FIRST, SECOND, THIRD)
GOES_ON = -1
"""A choice of Turns: whoever took the last step takes the next, too."""


@dataclass
class Seen(FakePictures):
    """The Media as a process sees it: at first as it was when the event came, and then as it is by now."""

    first: list[Picture] = field(default_factory=list)

    def fetch(self, event: ImagingEvent) -> Picture:
        held = self.pictures
        if self.first:
            self.pictures = {event.media: self.first.pop()}
        try:
            return super().fetch(event)
        finally:
            self.pictures = held


def judged_side_by_side(site: Site, seen: Sequence[Picture], newest: Picture, choices: Sequence[int]) -> None:
    turns = Turns()
    ways = [replace(site.journey(OLD, turns.wait), pictures=Seen({"Media/m1": newest}, site.pictures.fetches, [each])) for each in seen]
    with ThreadPoolExecutor(len(ways)) as threads:
        ends = [threads.submit(site._last, turns, partial(site._ends, way)) for way in ways]
        turns.give(len(ways), choices)
    for each in ends:
        each.result(30)


@given(
    seen=st.lists(st.sampled_from(PICTURES), min_size=2, max_size=3),
    before=st.sampled_from([None, None, *PICTURES]),
    runs=st.lists(st.integers(1, 8), min_size=3, max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_however_their_steps_interleave_the_newest_picture_that_was_judged_holds_and_every_last_flag_agrees(
    seen: list[Picture], before: Picture | None, runs: list[int]
) -> None:
    site = Site()
    judged = [*seen, *filter(None, [before])]
    newest = max(judged, key=lambda each: each.as_of)
    if before is not None:
        judged_side_by_side(site, [before], before, [])
    judged_side_by_side(site, seen, newest, [step for run in runs for step in (0, *[GOES_ON] * (run - 1))])
    holds = site.agrees()
    assert holds.mark is not None
    assert holds.mark.content_sha256 == newest.content_sha256
