"""What became of the events of one run: whoever loses one, or tells anything else than was to be told, gets no figures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tocsin.model_card import ModelCard, read_card
from tocsin.report.resources.identity import report_id
from tocsin.settings import ReportSettings

from tests.benchmarks.bus import Bus, Said
from tests.benchmarks.photographs import photographs
from tests.benchmarks.stage import Stage

TIMES: Final = frozenset({"issued", "recorded", "occurredDateTime", "announced_at"})
"""Elements that say when a report was made."""
OF_ONE_RUN: Final = frozenset({"as-of", "fetched", "trace-id"})
"""Parts of a report's mark that differ whenever a picture is judged."""


Promise = Literal["once", "at least once"]
"""How often an event is told where nothing fails; a peer whose consumers join one after the other may begin some events twice."""


class EventsLost(Exception):
    """Not every event came to exactly one report and one flag, so no figure of the run means anything."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of events that all ended rightly; times are the broker's, ms, by Media's id."""

    published: Mapping[str, int]
    flagged: Mapping[str, int]
    """The first flag of each."""
    repeated: int
    """Flags besides the first of each event."""


@dataclass(frozen=True, slots=True)
class Trail:
    """How often one event left something behind."""

    read: int
    """Reads of its Media."""
    written: int
    """Transactions about it."""
    flags: int
    flags_right: int
    """Flags that say what was to be said."""

    def ends(self, promise: Promise) -> bool:
        """Whether this is how an event ends where so much is promised."""
        least = min(self.read, self.written, self.flags)
        rightly = least >= 1 and self.flags == self.flags_right
        return rightly and (promise == "at least once" or self == ONCE)


ONCE: Final = Trail(1, 1, 1, 1)


def account(stage: Stage, bus: Bus, ids: Sequence[str], promise: Promise) -> Account:
    """What became of these events, of which no more than `promise` was promised. Raises EventsLost."""
    wanted, counts, to_be_told = set(ids), stage.counts(), Verdicts.of_stage(stage)
    flags = [each for each in bus.flags() if each.media in wanted]
    told = Counter(each.media for each in flags)
    rightly = Counter(each.media for each in flags if to_be_told.of(each.media).items() <= each.content.items())
    read, written = (Counter(counts[name]) for name in ("read", "written"))
    wrong = [id_ for id_ in ids if not Trail(read[id_], written[id_], told[id_], rightly[id_]).ends(promise)]
    if wrong:
        endings = f"{len(flags)} flags, {len(bus.dead_letters())} dead letters"
        raise EventsLost(f"{len(wrong)} of {len(ids)} events were not tried, written and rightly flagged {promise} ({endings})")
    published = [each for each in bus.events() if each.media in wanted]
    return Account(_times(published), _times(flags), len(flags) - len(ids))


def agree(written: Mapping[str, Mapping[str, Any]]) -> None:
    """Contender -> the transactions that it wrote, by Media's id. Raises EventsLost where two wrote different reports on one Media."""
    (first, reports), *others = ((name, {media: _timeless(each) for media, each in all_.items()}) for name, all_ in written.items())
    for name, theirs in others:
        differing = [media for media in reports.keys() | theirs.keys() if reports.get(media) != theirs.get(media)]
        if differing:
            raise EventsLost(f"{first} and {name} wrote different reports on {len(differing)} of {len(reports)} pictures")


class Verdicts:
    """What is to be told of each picture."""

    def __init__(self, card: ModelCard, pictures: Sequence[bytes]) -> None:
        self._card = card
        self._pictures = [hashlib.sha256(each).hexdigest() for each in pictures]
        self._verdict = _verdict(card)

    @classmethod
    def of_stage(cls, stage: Stage) -> Verdicts:
        """Those of its pictures."""
        return cls(read_card(stage.cards["full"]), [each.read_bytes() for each in photographs(stage.photographs)])

    def of(self, media: str) -> dict[str, object]:
        """The flag's content."""
        picture = self._pictures[int(media.rpartition("-")[2]) % len(self._pictures)]
        report = report_id(ReportSettings().source, f"Media/{media}", picture, self._card.model)
        return {"report": f"DiagnosticReport/{report}", "subject": f"Patient/{media}", **self._verdict}


def _verdict(card: ModelCard) -> dict[str, object]:
    """What the model that computes nothing leads to: every class is equally likely."""
    classes = card.output.classes
    probability = sum(each.malignant for each in classes) / len(classes)
    band = [each for each in card.operating_point.bands if probability >= each.at_least][-1]
    return {"outcome": "assessed", "band": band.code, "flagged": band.flagged, "probability": round(probability, 6)}


def _timeless(value: Any) -> Any:
    """The resource without what differs whenever a picture is judged."""
    if isinstance(value, list):
        return [_timeless(each) for each in value if not (isinstance(each, dict) and each.get("url") in OF_ONE_RUN)]
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if name not in TIMES}
    return value


def _times(said: Sequence[Said]) -> dict[str, int]:
    """The first of each Media, all of which lie in one partition."""
    return {each.media: each.at_ms for each in reversed(said)}
