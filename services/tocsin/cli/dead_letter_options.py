"""Options that `tocsin dead-letters` and `tocsin replay` share, and how a dead letter is told without its content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final, get_args

import typer

from tocsin.clock import utc_now
from tocsin.deadletter.closure import Closure, closed, closure_of
from tocsin.deadletter.letters import Letter, Wanted, letters
from tocsin.deadletter.replay import Replay, count, replay_of, replayed
from tocsin.errors import Kind, reasons
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.types import Position
from tocsin.settings import KafkaSettings
from tocsin.terminal import say, seconds

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
REASONS: Final[tuple[str, ...]] = tuple(sorted(reasons()))
"""Every reason code that a dead letter of this version may have; deploy/operations.md says what each means."""
STYLES: Final[Mapping[Kind, str]] = {"permanent": "", "transient": "yellow", "poison": "bold red"}

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """The time in the text: `2h` before `now`, or an ISO 8601 date or time, UTC unless it says otherwise. Raises typer.BadParameter."""
    ago = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither like 90m, 2h, 3d or 1w nor like 2026-03-01 or 2026-03-01T08:30Z") from None
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def when(text: str) -> datetime:
    """`moment`, by the time now: parser of options. Raises typer.BadParameter."""
    return moment(text, utc_now())


def id_of(text: str) -> str:
    """The text, if it is the id of a dead letter. Raises typer.BadParameter."""
    if re.fullmatch(r"\d{1,10}@\d{1,19}", text) is None:
        raise typer.BadParameter(f"{text!r} is not like 2@17: partition@offset, as `tocsin dead-letters` lists it")
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(KINDS)}")
    return text


def _reason(text: str) -> str:
    if text not in REASONS:
        raise typer.BadParameter(f"there is no reason {text!r}{nearest(text, REASONS)}; the reasons are {', '.join(REASONS)}")
    return text


def nearest(text: str, known: Iterable[str]) -> str:
    """A question with the known word that is most like the text; empty where no word is like it."""
    found = get_close_matches(text.lower(), list(known), n=1)
    return f": did you mean {found[0]}?" if found else ""


def _media(text: str) -> str:
    return text if text.startswith("Media/") else f"Media/{text}"


_WHEN: Final = "as 90m, 2h, 3d or 1w ago, or an ISO date or time (UTC unless it says otherwise)"

Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", metavar="CODE", parser=_reason, help=f"Only this reason code; repeat for more. The codes: {', '.join(REASONS)}."
    ),
]
Kinds = Annotated[
    list[str] | None, typer.Option("--class", metavar="CLASS", parser=_kind, help=f"Only this class: {', '.join(KINDS)}; repeat for more.")
]
Since = Annotated[datetime | None, typer.Option("--since", metavar="WHEN", parser=when, help=f"Only those that failed since: {_WHEN}.")]
Until = Annotated[datetime | None, typer.Option("--until", metavar="WHEN", parser=when, help="Only those that failed before.")]
Media = Annotated[
    list[str] | None, typer.Option("--media", metavar="ID", parser=_media, help="Only events on this Media; repeat for more.")
]
Ids = Annotated[list[str] | None, typer.Option("--id", metavar="ID", parser=id_of, help="Only this dead letter, as 2@17; repeat for more.")]


def wanted(
    reasons: Sequence[str] | None,
    kinds: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
    media: Sequence[str] | None,
    ids: Sequence[str] | None,
    replayed: bool | None = None,
) -> Wanted:
    """The options as a filter of dead letters."""
    chosen = frozenset(kind for kind in KINDS if kind in (kinds or ()))
    return Wanted(frozenset(reasons or ()), chosen, since, until, frozenset(media or ()), frozenset(ids or ()), replayed)


@dataclass(frozen=True, slots=True)
class Found:
    """A dead letter, with its latest replay and closure; None where there are none."""

    letter: Letter
    earlier: Replay | None
    closure: Closure | None

    @property
    def is_open(self) -> bool:
        """Whether the letter was neither replayed nor closed since it was written."""
        return self.earlier is None and self.closure is None

    @property
    def row(self) -> dict[str, Any]:
        """What may be told of the letter: codes, counts, times (UTC), places and the Media's reference."""
        dead, event = self.letter.dead, self.letter.event
        original = dead.original.record.position
        return {
            "id": self.letter.id,
            "class": dead.kind,
            "reason": dead.reason,
            "attempts": dead.attempts,
            "replays": count(self.letter, self.earlier),
            "first_failed_at": seconds(dead.first_failed_at),
            "last_failed_at": seconds(dead.last_failed_at),
            "replayed_at": None if self.earlier is None else seconds(self.earlier.at),
            "replayed_by": None if self.earlier is None else self.earlier.by,
            "closed_at": None if self.closure is None else seconds(self.closure.at),
            "media": None if event is None else event.media,
            "original": str(original),
        }


@dataclass(slots=True)
class Shelf:
    """The dead letters, replays and closures on the bus."""

    reader: TopicReader
    topics: KafkaSettings
    left_out: list[Position] = field(default_factory=list)
    """Where the first record of the last `find` stands that is not of its topic's kind; empty where there was none."""
    left_out_count: int = 0

    def find(self, wanted: Wanted) -> Iterator[Found]:
        """The wanted dead letters, as the bus has them now. Raises as TopicReader.read does."""
        self.left_out, self.left_out_count = [], 0
        replays = replayed(self.reader, self.topics.topic_replays, self._leave_out)
        closures = closed(self.reader, self.topics.topic_replays, self._leave_out)
        for letter in letters(self.reader, self.topics.topic_dead_letters, wanted.since, self._leave_out):
            earlier = replay_of(replays, letter)
            if wanted.matches(letter, replayed=earlier is not None):
                yield Found(letter, earlier, closure_of(closures, letter))

    def _leave_out(self, position: Position) -> None:
        self.left_out_count += 1
        self.left_out = self.left_out or [position]

    def say_left_out(self) -> None:
        """Say on standard error how many records the last `find` left out, where it left any out."""
        if self.left_out:
            say(f"{self.left_out_count} record(s) left out that are not what their topic holds, the first at {self.left_out[0]}")
