"""tocsin backfill: has the pictures judged that the record holds already."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tocsin.archive.backfill.backfiller import Backfills, begun
from tocsin.archive.types import Backfill, Query, State
from tocsin.bootstrap import bus
from tocsin.bootstrap import work as bootstrap
from tocsin.cli.backfill_output import ANY_MODALITY, Plan, say_disputed, tell, tell_all, tell_plan
from tocsin.clock import utc_now
from tocsin.deadletter.disputes import open_disputes
from tocsin.errors import Deferred
from tocsin.settings import Settings, read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import progress, say

WATCH_EVERY_S: Final = 2.0
_TOKEN: Final = "a code or system|code of at most 256 characters without spaces or commas, for example"
WANTED: Final = {
    "where": "a search parameter of Media and its value, NAME=VALUE, for example device=Device/camera-3; _sort and _count are set by "
    "Tocsin and cannot be given",
    "site": f"{_TOKEN} 22943007",
    "modality": f"{_TOKEN} DMS",
}
"""What each option takes, said to an operator who wrote something else."""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day like 2026-03-01") from None


From = Annotated[date | None, typer.Option("--from", metavar="DATE", parser=_day, help="First day of Media.created.")]
To = Annotated[date | None, typer.Option("--to", metavar="DATE", parser=_day, help="Last day of Media.created.")]
Site = Annotated[str | None, typer.Option("--site", metavar="CODE", help="Body site of the Media, code or system|code.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", help="Any other search parameter of Media, such as device or encounter; repeat for more."
    ),
]
Modality = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        metavar="CODE",
        help="Only this modality, code or system|code; repeat for more. `absent`: stated nowhere; `any`: all. Default: the model's.",
    ),
]
PerSecond = Annotated[
    float | None,
    typer.Option("--per-second", metavar="N", min=0.01, help="Pictures a second, evenly spread; default: TOCSIN_BACKFILL__PER_SECOND."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without --yes, only print what would be done.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `tocsin backfill list` shows it.")]

app = typer.Typer(name="backfill", no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Have the pictures judged that the record holds already.

    A backfill announces Media of the FHIR server on a topic of its own, which `tocsin consume` reads only while no live event waits. It
    goes on by itself, page by page, wherever `tocsin work` runs: over restarts of everything, and when Redis lost all it held. A picture
    that has its report is not judged again; only its flag is repeated.
    """


@app.command()
def start(
    created_from: From = None,
    created_to: To = None,
    site: Site = None,
    where: Where = None,
    modality: Modality = None,
    per_second: PerSecond = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Count the Media that match and say how long they take; with --yes, begin to announce them.

    Example: all of the first quarter from one camera, two a second:

    tocsin backfill start --from 2026-01-01 --to 2026-03-31 --where device=Device/camera-3 --per-second 2 --yes

    A Media that states no time of creation matches only where neither --from nor --to is given. Only completed Media of a patient of
    this FHIR server are announced; the others are counted. A Media is left out, and named, while an open dead letter doubts whose picture
    it is: until a person replays or closes that letter (`tocsin dead-letters --help`).

    Exit codes: 0 begun, or a dry run; 1 the FHIR server refuses the search; 2 the options make no sense; 75 the FHIR server or the
    broker is away, and nothing was begun; 76 a topic is missing; 78 a setting or the model card is wrong.
    """
    quiet_libraries()
    settings = read_settings()
    query = _query(settings, created_from, created_to, site, where or (), modality)
    rate = per_second or settings.backfill.per_second
    total = bootstrap.archive_of(settings).count(query)
    with closing(bus.topic_reader(settings.kafka)) as reader:
        disputed = open_disputes(reader, settings.kafka)
    if not yes:
        tell_plan(Plan(query, total, rate, disputed), as_json)
        return
    say_disputed(disputed)
    backfill = begun(query, total=total, per_second=rate, now=utc_now())
    with _backfills(settings) as backfills:
        backfills.save(backfill)
    _take_up(settings, backfill)
    tell(backfill, as_json)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List every backfill and how far it has come, the oldest first.

    Example:

    tocsin backfill list

    Exit codes: 0; 75 the broker is away; 76 the topic is missing; 78 a setting is wrong.
    """
    quiet_libraries()
    with _backfills(read_settings()) as backfills:
        found = backfills.all()
    tell_all(found, as_json)


@app.command()
def show(
    backfill_id: Id,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show a progress bar for as long as the backfill runs; Ctrl-C ends the watching, not the backfill."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far one backfill has come, and what it looks for.

    Example:

    tocsin backfill show 1f2e3d4c --watch

    Exit codes: 0; 1 there is no such backfill; 75 the broker is away; 76 the topic is missing; 78 a setting is wrong.
    """
    quiet_libraries()
    with _backfills(read_settings()) as backfills:
        found = _found(backfills, backfill_id)
        if watch:
            found = _watched(backfills, found)
    tell(found, as_json)


@app.command()
def pause(backfill_id: Id, as_json: AsJson = False) -> None:
    """Pause a backfill until it is resumed; a step under way is finished.

    Example:

    tocsin backfill pause 1f2e3d4c

    Exit codes: 0; 1 there is no such backfill, or it has ended; 75 the broker is away; 76 the topic is missing; 78 a setting is wrong.
    """
    _order(backfill_id, "paused", ("running", "paused"), as_json)


@app.command()
def resume(backfill_id: Id, as_json: AsJson = False) -> None:
    """Resume a paused backfill where it stands.

    Example:

    tocsin backfill resume 1f2e3d4c

    Exit codes: 0; 1 there is no such backfill, or it has ended; 75 the broker is away; 76 the topic is missing; 78 a setting is wrong.
    """
    settings, ordered = _order(backfill_id, "running", ("running", "paused"), as_json)
    left_s = (ordered.next_at - utc_now()).total_seconds()
    _take_up(settings, ordered, min(settings.backfill.pause_max_s, max(0.0, left_s)))


@app.command()
def cancel(backfill_id: Id, as_json: AsJson = False) -> None:
    """Cancel a backfill for good; what it announced stays announced.

    Example:

    tocsin backfill cancel 1f2e3d4c

    Exit codes: 0; 1 there is no such backfill, or it has ended; 75 the broker is away; 76 the topic is missing; 78 a setting is wrong.
    """
    _order(backfill_id, "cancelled", ("running", "paused", "cancelled"), as_json)


def _query(
    settings: Settings,
    created_from: date | None,
    created_to: date | None,
    site: str | None,
    where: Sequence[str],
    modality: list[str] | None,
) -> Query:
    wanted = modality if modality is not None else list(bootstrap.modalities_wanted(settings))
    chosen = () if ANY_MODALITY in wanted else tuple(wanted)
    try:
        return Query(created_from=created_from, created_to=created_to, site=site, where=tuple(where), modality=chosen)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(_wrong(each) for each in error.errors(include_url=False))) from None


def _wrong(error: ErrorDetails) -> str:
    """A sentence about a wrong option: what was found, what was wanted, and an example."""
    name, found = str(error["loc"][0]) if error["loc"] else "", error["input"]
    if name in WANTED and isinstance(found, str):
        return f"--{name} {found!r} is not {WANTED[name]}"
    return str(error["msg"]).removeprefix("Value error, ")


@contextmanager
def _backfills(settings: Settings) -> Iterator[Backfills]:
    with closing(bus.topic_reader(settings.kafka)) as reader, closing(bus.event_sink(settings.kafka)) as sink:
        yield Backfills(reader, sink, settings.kafka.topic_backfills)


def _found(backfills: Backfills, backfill_id: str) -> Backfill:
    found = backfills.get(backfill_id)
    if found is None:
        say(f"there is no backfill {backfill_id}: `tocsin backfill list` shows those there are")
        raise typer.Exit(1)
    return found


def _order(backfill_id: str, state: State, from_states: Sequence[State], as_json: bool) -> tuple[Settings, Backfill]:
    quiet_libraries()
    settings = read_settings()
    with _backfills(settings) as backfills:
        found = _found(backfills, backfill_id)
        if found.state not in from_states:
            say(f"backfill {backfill_id} is {found.state}: it has ended, and a new one begins with `tocsin backfill start`")
            raise typer.Exit(1)
        ordered = backfills.order(found, state)
    tell(ordered, as_json)
    return settings, ordered


def _take_up(settings: Settings, backfill: Backfill, pause_s: float = 0.0) -> None:
    """Have a worker take up the backfill, whose state stands on Kafka by now: a Redis that is away costs only time."""
    try:
        bootstrap.enqueue(settings)(backfill.id, pause_s)
    except Deferred as away:
        within_s = settings.backfill.stale_after_s + settings.work.resume_every_s
        say(f"{away}: backfill {backfill.id} is kept; `tocsin beat` takes it up within {within_s:.0f} s of Redis being back")


def _watched(backfills: Backfills, backfill: Backfill) -> Backfill:
    with progress().step(f"backfill {backfill.id}", total=backfill.total) as step:
        step.advance(backfill.seen)
        while backfill.state == "running":
            threading.Event().wait(WATCH_EVERY_S)
            before, backfill = backfill, _found(backfills, backfill.id)
            step.advance(backfill.seen - before.seen)
    return backfill
