"""tocsin dead-letters: lists what was refused, and why; closes dead letters."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from tocsin.bootstrap import bus as bootstrap
from tocsin.cli.dead_letter_options import STYLES, Found, Ids, Kinds, Media, Reasons, Shelf, Since, Until, id_of, wanted
from tocsin.clock import utc_now
from tocsin.deadletter.closure import close as close_one
from tocsin.deadletter.disputes import is_disputing
from tocsin.deadletter.letters import Wanted
from tocsin.errors import Kind
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, plain, print_columns, print_words, progress, say, seconds

BAR_CELLS = 24

Replayed = Annotated[bool | None, typer.Option("--replayed/--not-replayed", help="Only those that were replayed since, or were not.")]
Count = Annotated[bool, typer.Option("--count", help="How many of each reason and class, with the first and last failure.")]
Show = Annotated[str | None, typer.Option("--show", metavar="ID", help="Everything that may be told of one, and what to do about it.")]
Close = Annotated[
    list[str] | None,
    typer.Option(
        "--close",
        metavar="ID",
        parser=id_of,
        help="Close this dead letter: nothing is sent, and its Media is no longer held back by it. Repeat for more.",
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Only those that were neither replayed nor closed since.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --close: do it; without --yes, only print what would be done.")]
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
    still_open: Open = False,
    count: Count = False,
    show: Show = None,
    close: Close = None,
    yes: Yes = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the events that were refused, the newest last; or count them, show one, or close some.

    permanent: something must be corrected first. transient: a neighbour failed, and a replay may succeed. poison: the process died over
    it. REPLAYS is how often an event was tried again so far, REPLAYED when it was last.

    An open dead letter that doubts whose picture it is (subject-mismatch and its like, report-of-another) keeps its Media out of backfill,
    reconciliation and redrive, until a person replays it or closes it: --close ID --yes. A replay that is refused again opens a new one.

    Examples: what is open about one picture; then, once its patient was found to be right, close it:

    tocsin dead-letters --open --media m1

    tocsin dead-letters --close 2@17 --yes

    What the sender wrote is never printed, only its size and SHA-256, names of headers, and the ids of an event that could be read. Who
    may see the content reads the dead-letter topic with Kafka's own tools; it lies there unchanged, in base64.

    Exit codes: 0 done, or a dry run; 1 there is no dead letter of the ID to show or close; 2 the options make no sense; 75 no broker
    answers; 76 a topic is missing or the broker refuses; 78 a setting is wrong.
    """
    quiet_libraries()
    these = wanted(reasons, kinds, since, until, media, ids, replayed)
    if show is not None and (count or not these.everything):
        raise typer.BadParameter("it takes one dead letter by its ID and nothing else", param_hint="--show")
    if close and (count or show is not None or still_open or not these.everything):
        raise typer.BadParameter("it takes dead letters by their ID and nothing else", param_hint="--close")
    if yes and not close:
        raise typer.BadParameter("it belongs to --close: nothing else here changes anything", param_hint="--yes")
    topics = read_settings().kafka
    with closing(bootstrap.topic_reader(topics)) as reader:
        shelf = Shelf(reader, topics)
        if close:
            _close(shelf, close, yes, as_json)
        elif show is not None:
            _show(shelf, show, as_json)
        elif count:
            _count(shelf, these, still_open, as_json)
        else:
            _list(shelf, these, still_open, limit, as_json)
    shelf.say_left_out()


def _list(shelf: Shelf, these: Wanted, still_open: bool, limit: int, as_json: bool) -> None:
    newest, matched = _newest(shelf, these, still_open, limit)
    if as_json:
        _print_json(newest)
    else:
        heading = ("ID", "FAILED", "CLASS", "REASON", "ATTEMPTS", "REPLAYS", "REPLAYED", "CLOSED", "MEDIA", "ORIGINAL")
        names = ("id", "last_failed_at", "class", "reason", "attempts", "replays", "replayed_at", "closed_at", "media", "original")
        cells = [["-" if each[name] is None else str(each[name]) for name in names] for each in newest]
        print_columns(console(), heading, cells, [STYLES[each["class"]] for each in newest])
    if matched > len(newest):
        say(f"{matched - len(newest)} older ones are left out; --limit {matched} lists all, --count counts them")


def _found(shelf: Shelf, these: Wanted, still_open: bool) -> Iterator[Found]:
    return (each for each in shelf.find(these) if not still_open or each.is_open)


def _newest(shelf: Shelf, these: Wanted, still_open: bool, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest rows, the newest last, and how many match in all; no more than `limit` rows are in memory at a time."""
    heap: list[tuple[datetime, int, dict[str, Any]]] = []
    matched = 0
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        for found in _found(shelf, these, still_open):
            matched += 1
            entry = (found.letter.dead.last_failed_at, matched, found.row)
            heapq.heappush(heap, entry) if len(heap) < limit else heapq.heappushpop(heap, entry)
    return [row for _, _, row in sorted(heap, key=lambda entry: entry[:2])], matched


@dataclass(slots=True)
class Tally:
    """A count of the dead letters of one reason and class."""

    count: int
    first: datetime
    last: datetime

    def add(self, found: Found) -> None:
        """Count one dead letter more."""
        self.count += 1
        self.first = min(self.first, found.letter.dead.first_failed_at)
        self.last = max(self.last, found.letter.dead.last_failed_at)


def _count(shelf: Shelf, these: Wanted, still_open: bool, as_json: bool) -> None:
    tallies: dict[tuple[str, Kind], Tally] = {}
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        for found in _found(shelf, these, still_open):
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
    """A bar as long as `count` is to `most`, for people who look; the number beside it is for those who read."""
    return "█" * max(1, round(BAR_CELLS * count / most))


def _show(shelf: Shelf, letter_id: str, as_json: bool) -> None:
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        found = next(shelf.find(wanted(None, None, None, None, None, [letter_id])), None)
    if found is None:
        raise _absent(shelf, [letter_id])
    told = _told(found)
    if as_json:
        _print_json([told])
        return
    out = console()
    width = max(map(len, told))
    for name, value in told.items():
        text = ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
        print_words(out, plain(text), first=f"{name.ljust(width)}  ", indent=width + 2)


def _absent(shelf: Shelf, ids: Sequence[str]) -> typer.Exit:
    say(f"there is no dead letter {', '.join(ids)} on {shelf.topics.topic_dead_letters}; `tocsin dead-letters` lists those there are")
    return typer.Exit(1)


def _close(shelf: Shelf, ids: Sequence[str], yes: bool, as_json: bool) -> None:
    """Close all of these dead letters, or none where one of them is not there."""
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        found = {each.letter.id: each for each in shelf.find(wanted(None, None, None, None, None, ids))}
    if absent := [each for each in ids if each not in found]:
        raise _absent(shelf, absent)
    if yes:
        with closing(bootstrap.event_sink(shelf.topics)) as sink:
            for each in found.values():
                close_one(sink, shelf.topics.topic_replays, each.letter, utc_now())
    if as_json:
        _print_json({**each.row, "closed" if yes else "would_close": True} for each in found.values())
        return
    for each in found.values():
        print_words(console(), _closed_words(each, yes))
    if not yes:
        typer.echo("Nothing was closed. Run it again with --yes to do it.")


def _closed_words(found: Found, yes: bool) -> str:
    dead, media = found.letter.dead, found.row["media"]
    said = f"{found.letter.id} ({dead.reason}, {media or 'no imaging event'}) {'is closed' if yes else 'would be closed'}."
    if media and is_disputing(found.letter):
        said += (
            f" Backfill, reconciliation and redrive may announce {media} again, if no other dead letter about it is open; by itself "
            "reconciliation looks at pictures of the last day alone: `tocsin reconcile --since DAY --yes` has an older one judged."
        )
    return said


def _told(found: Found) -> dict[str, Any]:
    """All that may be told of a dead letter: of what the sender wrote, sizes, hashes, header names and an imaging event's ids."""
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
