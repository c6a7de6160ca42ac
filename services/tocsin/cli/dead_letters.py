"""tocsin dead-letters: what was refused, and why."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from tocsin import bootstrap
from tocsin.cli.console import console
from tocsin.cli.letters import (
    STYLES,
    Found,
    Ids,
    Kinds,
    Media,
    Reasons,
    Shelf,
    Since,
    Until,
    plain,
    print_columns,
    progress,
    say,
    seconds,
    wanted,
)
from tocsin.errors import Kind
from tocsin.event.letters import Wanted
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries

BAR_CELLS = 24

Replayed = Annotated[bool | None, typer.Option("--replayed/--not-replayed", help="Only those that were replayed since, or were not.")]
Count = Annotated[bool, typer.Option("--count", help="How many of each reason and class, with the first and last failure.")]
Show = Annotated[str | None, typer.Option("--show", metavar="ID", help="Everything that may be told of one, and what to do about it.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="List the newest N.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def dead_letters(
    reasons: Reasons = None,
    kinds: Kinds = None,
    since: Since = None,
    until: Until = None,
    media: Media = None,
    ids: Ids = None,
    replayed: Replayed = None,
    count: Count = False,
    show: Show = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the events that were refused, the newest last; or count them, or show one.

    permanent: something must be corrected first. transient: a neighbour failed, and a replay may succeed. poison: the process died over
    it. REPLAYS is how often an event was tried again so far, REPLAYED when it was last.

    What the sender wrote is never printed, only its size and SHA-256, names of headers, and the ids of an event that could be read. Who
    may see the content reads the dead-letter topic with Kafka's own tools; it lies there unchanged, in base64.

    Exit codes: 0 done; 1 there is no dead letter of the ID to show; 2 the options make no sense; 75 no broker answers; 76 a topic is
    missing or the broker refuses; 78 a setting is wrong.
    """
    quiet_libraries()
    these = wanted(reasons, kinds, since, until, media, ids, replayed)
    if show is not None and (count or not these.everything):
        raise typer.BadParameter("it takes one dead letter by its ID and nothing else", param_hint="--show")
    topics = read_settings().kafka
    with closing(bootstrap.event_log(topics)) as log:
        shelf = Shelf(log, topics)
        if show is not None:
            _show(shelf, show, as_json)
        elif count:
            _count(shelf, these, as_json)
        else:
            _list(shelf, these, limit, as_json)
    shelf.say_left_out()


def _list(shelf: Shelf, these: Wanted, limit: int, as_json: bool) -> None:
    newest, matched = _newest(shelf, these, limit)
    if as_json:
        _print_json(newest)
    else:
        heading = ("ID", "FAILED", "CLASS", "REASON", "ATTEMPTS", "REPLAYS", "REPLAYED", "MEDIA", "ORIGINAL")
        names = ("id", "last_failed_at", "class", "reason", "attempts", "replays", "replayed_at", "media", "original")
        cells = [["-" if each[name] is None else str(each[name]) for name in names] for each in newest]
        print_columns(console(), heading, cells, [STYLES[each["class"]] for each in newest])
    if matched > len(newest):
        say(f"{matched - len(newest)} older ones are left out; --limit {matched} lists all, --count counts them")


def _newest(shelf: Shelf, these: Wanted, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest rows, the newest last, and how many there are in all; no more than `limit` are in memory at a time."""
    heap: list[tuple[datetime, int, dict[str, Any]]] = []
    matched = 0
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        for found in shelf.find(these):
            matched += 1
            entry = (found.letter.dead.last_failed_at, matched, found.row)
            heapq.heappush(heap, entry) if len(heap) < limit else heapq.heappushpop(heap, entry)
    return [row for _, _, row in sorted(heap, key=lambda entry: entry[:2])], matched


@dataclass(slots=True)
class Tally:
    """Dead letters of one reason and class."""

    count: int
    first: datetime
    last: datetime

    def add(self, found: Found) -> None:
        """One more."""
        self.count += 1
        self.first = min(self.first, found.letter.dead.first_failed_at)
        self.last = max(self.last, found.letter.dead.last_failed_at)


def _count(shelf: Shelf, these: Wanted, as_json: bool) -> None:
    tallies: dict[tuple[str, Kind], Tally] = {}
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        for found in shelf.find(these):
            dead = found.letter.dead
            tallies.setdefault((dead.reason, dead.kind), Tally(0, dead.first_failed_at, dead.last_failed_at)).add(found)
    ranked = sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))
    if as_json:
        _print_json(_counted(reason, kind, tally) for (reason, kind), tally in ranked)
    else:
        _print_counts(ranked)


def _counted(reason: str, kind: Kind, tally: Tally) -> dict[str, Any]:
    return {
        "reason": reason,
        "class": kind,
        "count": tally.count,
        "first_failed_at": seconds(tally.first),
        "last_failed_at": seconds(tally.last),
    }


def _print_counts(ranked: list[tuple[tuple[str, Kind], Tally]]) -> None:
    out = console()
    most = max((tally.count for _, tally in ranked), default=1)
    cells = [
        [str(tally.count), kind, reason, seconds(tally.first), seconds(tally.last), _bar(tally.count, most) if out.is_terminal else ""]
        for (reason, kind), tally in ranked
    ]
    print_columns(out, ("COUNT", "CLASS", "REASON", "FIRST", "LAST", ""), cells, [STYLES[kind] for (_, kind), _ in ranked])


def _bar(count: int, most: int) -> str:
    """Where people look rather than read; the number stands beside it for those who read."""
    return "█" * max(1, round(BAR_CELLS * count / most))


def _show(shelf: Shelf, letter_id: str, as_json: bool) -> None:
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        found = next(shelf.find(wanted(None, None, None, None, None, [letter_id])), None)
    if found is None:
        say(f"there is no dead letter {letter_id} on {shelf.topics.topic_dead_letters}; `tocsin dead-letters` lists those there are")
        raise typer.Exit(1)
    told = _told(found)
    if as_json:
        _print_json([told])
        return
    out = console()
    width = max(map(len, told))
    for name, value in told.items():
        text = ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
        out.print(Text(f"{name.ljust(width)}  ", style="bold") + Text(plain(text)), soft_wrap=True)


def _told(found: Found) -> dict[str, Any]:
    """All that may be told: of what the sender wrote, only sizes, hashes and the ids that an imaging event may hold."""
    dead, event = found.letter.dead, found.letter.event
    original = dead.original
    digest = original.digest
    return {
        **found.row,
        "detail": dead.detail,
        "advice": dead.advice,
        "subject": None if event is None else event.subject,
        "event": None if event is None else event.id,
        "key_bytes": digest.key_bytes,
        "key_sha256": digest.key_sha256,
        "value_bytes": digest.value_bytes,
        "value_sha256": digest.value_sha256,
        "headers": [plain(header.pair[0]) for header in original.headers],
        "headers_bytes": digest.headers_bytes,
        "left_out": None if original.left_out is None else f"too large for its letter: read it at {original.position}",
    }


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(orjson.dumps(row).decode())
