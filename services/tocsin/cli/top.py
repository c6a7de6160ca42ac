"""tocsin top: shows how far behind the running processes are, what they end, and what they wait for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.live import Live

from tocsin.cli.top_output import drawn, json_of, tell
from tocsin.clock import utc_now
from tocsin.errors import OutageTooLong
from tocsin.settings import MetricsSettings, read_settings
from tocsin.settings.values import ProcessUrl
from tocsin.stopping import stopped_by_signals
from tocsin.telemetry.top.scrape import Scraper
from tocsin.telemetry.top.seen import Seen, heard
from tocsin.telemetry.top.types import View
from tocsin.telemetry.top.view import view
from tocsin.terminal import console, say

LIVE_EVERY_S: Final = 2.0
ONCE_AFTER_S: Final = 1.0
PROCESSES_MAX: Final = 64
"""Most processes asked; each has a thread."""
ADVICE: Final = (
    "no process answered. Look whether `tocsin consume`, `tocsin work` and `tocsin beat` run and can be reached from here; then name their "
    "addresses, or set TOCSIN_METRICS__PORT as they have it and TOCSIN_METRICS__PROCESSES."
)
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""An address listened on that stands for all of a machine -> the one by which this machine reaches itself."""


def _address(text: str) -> str:
    try:
        return TypeAdapter(ProcessUrl).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(str(error.errors()[0]["ctx"]["error"])) from None


Addresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS",
        parser=_address,
        help="host:port or http(s)://host:port of each process; unless given: this machine's TOCSIN_METRICS__PORT and those in "
        "TOCSIN_METRICS__PROCESSES.",
        show_default=False,
    ),
]
Once = Annotated[bool, typer.Option("--once", help="Print one view and end; so it is wherever standard output is no terminal.")]
Every = Annotated[
    float | None,
    typer.Option(
        "--every",
        metavar="SECONDS",
        min=0.2,
        max=3600,
        help="How often the processes are asked; with --once, time between the two answers. Unless given: 2, with --once 1.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One view as one JSON object; implies --once.")]


def top(addresses: Addresses = None, once: Once = False, every: Every = None, as_json: AsJson = False) -> None:
    """Watch lag, endings, neighbours, slow stages and tasks over all processes that are running.

    Every process is asked for /metrics and /ready, all at once; one that does not answer within TOCSIN_METRICS__ANSWER_TIMEOUT_S is listed
    with the reason, and the others are shown. Each address stands for one process: a name that stands for several in turn, as a Service's
    in Kubernetes does, gives rates that mean nothing.

    Rates are measured between answers, over at most the last minute; with --once, between two answers one second apart. p50 and p95 are
    estimated from buckets over the same time, or, where nothing was seen in it, since the processes' start; OVER says which. A process
    that is started anew counts from 0, and its rates with it.

    The object of --json has the keys at, window_s, processes, lag, oldest, throughput, endings, latency, stages, neighbours, queues,
    tasks, sent and losses. Times are in seconds, memory in bytes; null is what nobody measured. Keys may be added, and none changes.

    Example, three processes, once, for a script:

    tocsin top --once --json consume-0:9464 consume-1:9464 work-0:9464

    Exit codes: 0 shown, also where only some processes answered, or ended by Ctrl-C or SIGTERM; 2 an address or option makes no sense;
    75 no process answered; 78 a setting is wrong.
    """
    settings, out = read_settings().metrics, console()
    wanted = _wanted(addresses or (), settings)
    views = _views(Scraper(wanted, settings.answer_timeout_s))
    if once or as_json or not out.is_terminal or out.is_dumb_terminal:
        _show_once(views, out, every or ONCE_AFTER_S, as_json)
    else:
        _show_live(views, out, every or LIVE_EVERY_S, stopped_by_signals())


def _wanted(addresses: Sequence[str], settings: MetricsSettings) -> tuple[str, ...]:
    if len(addresses) > PROCESSES_MAX:
        raise typer.BadParameter(f"{len(addresses)} are more than {PROCESSES_MAX} processes", param_hint="ADDRESS")
    wanted = tuple(addresses) or (*_own(settings), *settings.processes)
    if not wanted:
        raise typer.BadParameter(
            "TOCSIN_METRICS__PORT is 0, so that nobody knows this machine's port: name the processes here, or in TOCSIN_METRICS__PROCESSES",
            param_hint="ADDRESS",
        )
    return wanted


def _own(settings: MetricsSettings) -> Iterator[str]:
    """The address of this machine's own process, where its port is known."""
    if settings.port:
        host = ANYWHERE.get(settings.host, f"[{settings.host}]" if ":" in settings.host else settings.host)
        yield f"http://{host}:{settings.port}"


def _views(scraper: Scraper) -> Iterator[View]:
    """A view each time one is asked for; each begins with a question to all processes."""
    known: dict[str, Seen] = {}
    while True:
        for answer in scraper.ask():
            known[answer.address] = heard(known.get(answer.address, Seen(answer.address)), answer)
        yield view(tuple(known.values()), utc_now())


def _show_once(views: Iterator[View], out: Console, after_s: float, as_json: bool) -> None:
    found = next(views)
    if found.answering:
        _wait(after_s)
        found = next(views)
    if as_json:
        typer.echo(json_of(found))
    elif found.answering:
        tell(found, out)
    _some_answer(found)


def _show_live(views: Iterator[View], out: Console, every_s: float, stopped: threading.Event) -> None:
    """Show a view again and again until stopped. Only at the first must a process answer: later, they may all be started anew."""
    found = next(views)
    _some_answer(found)
    with Live(drawn(found, out), console=out, screen=True, auto_refresh=False) as live:
        while not stopped.is_set():
            live.update(drawn(found, out), refresh=True)
            if not stopped.wait(every_s):
                found = next(views)


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _some_answer(found: View) -> None:
    """Says what to do, and ends the command, where no process answers."""
    if found.answering:
        return
    for each in found.processes:
        say(f"{each.address}: {each.missing_because}")
    say(ADVICE)
    raise typer.Exit(OutageTooLong.exit_code)
