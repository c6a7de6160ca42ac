"""tocsin check: checks that everything is there that the service needs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from queue import Empty, Queue
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.text import Text

from tocsin.bootstrap import operate as bootstrap
from tocsin.errors import TocsinError, where
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.telemetry.preflight import Check, Preflight
from tocsin.terminal import Progress, console, print_line, print_words, progress, say, wrapped

SLOW_AFTER_S: Final = 4.0
"""Seconds of silence after which a part is named with its address, each time they have passed again."""

_PASS, _FAIL, _SKIP, _WARN = ("pass", "green"), ("FAIL", "bold red"), ("skip", "yellow"), ("warn", "yellow")
_INDENT: Final = len("pass  triton  ")


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]
Pictures = Annotated[
    Path | None,
    typer.Option(
        "--pictures", metavar="DIR", exists=True, file_okay=False, help="Also ask Triton about the pictures of this folder's answers.yaml."
    ),
]


class For(StrEnum):
    """Who has a user of its own on the bus."""

    CONSUME = "consume"
    WORK = "work"
    SERVE = "serve"
    OPERATOR = "operator"
    REHEARSE = "rehearse"


Whose = Annotated[
    For | None,
    typer.Option(
        "--for",
        help="Only the rights on the bus that `consume`, `work`, `serve`, whoever types commands, or `rehearse` needs; unset: all. With "
        "`serve`, a file that TOCSIN_SERVE__ISSUERS or TOCSIN_CDS__ISSUERS names must be here.",
    ),
]


def check(as_json: AsJson = False, pictures: Pictures = None, whose: Whose = None) -> None:
    """Connect to every configured part, print what was found, and how to mend what is wrong.

    All parts are looked at together, and each line comes as soon as it is known; a part that keeps silent is named with its address
    after 4 seconds. `warn` marks what passed and somebody should know; `skip` what could not be looked at.

    With --pictures, Triton is then asked about pictures whose answers are known (`tocsin model answers` makes them of your own), and it
    is said by how much its answers move, at most and on average, and how many flags flip; beyond the model card's tolerance the check
    fails. Do this once for each server and each change of its hardware, version or configuration.

    Examples, the first for a script that stops a deployment:

    tocsin check --json > checks.jsonl || exit 1

    tocsin check --pictures /srv/known-pictures

    tocsin check --for work

    Exit codes: 0 all passed, with or without warnings; 1 something failed; 2 there is no such folder; 78 a setting, the model card or
    answers.yaml is wrong.
    """
    quiet_libraries()
    settings = read_settings()
    preflights = bootstrap.preflights(settings, os.environ, None if whose is None else whose.value)
    ask = None if pictures is None else bootstrap.known_pictures(settings, pictures)
    out, checks = console(), list[Check]()
    for each in _all(preflights, ask):
        checks.append(each)
        _tell_json(each) if as_json else _tell(out, each)
        sys.stdout.flush()  # also where it goes to a file that somebody follows
    if not as_json:
        print_words(out, "")
        print_words(out, _sum(checks))
    if any(each.passed is False for each in checks):
        raise typer.Exit(1)


def _all(preflights: Sequence[Preflight], ask: Callable[[Progress], Check] | None) -> Iterator[Check]:
    """The checks of all preflights, and behind them that of the known pictures."""
    yield from together(preflights, SLOW_AFTER_S, say)
    if ask is not None:
        yield ask(progress())


def together(preflights: Sequence[Preflight], slow_after_s: float, slow: Callable[[str], object]) -> Iterator[Check]:
    """The checks of all preflights, each as soon as it is known. `slow` is told of parts that were silent for `slow_after_s` seconds."""
    found: Queue[tuple[Preflight, Check | None]] = Queue()
    for each in preflights:
        threading.Thread(target=_look, args=(each, found), name=f"check-{each.part}", daemon=True).start()
    heard = dict.fromkeys((each.part for each in preflights), time.monotonic())
    waited_for = {each.part: each for each in preflights}
    while waited_for:
        for part in [part for part in waited_for if heard[part] + slow_after_s <= time.monotonic()]:
            slow(_silent(waited_for[part], slow_after_s))
            heard[part] = time.monotonic()
        try:
            next_s = min(heard[part] for part in waited_for) + slow_after_s - time.monotonic()
            preflight, check = found.get(timeout=max(0.01, next_s))
        except Empty:
            continue
        heard[preflight.part] = time.monotonic()
        if check is None:
            del waited_for[preflight.part]
        else:
            yield check


def _look(preflight: Preflight, found: Queue[tuple[Preflight, Check | None]]) -> None:
    for each in looked(preflight):
        found.put((preflight, each))
    found.put((preflight, None))


def _silent(preflight: Preflight, for_s: float) -> str:
    where = f" at {preflight.address} ({preflight.setting})" if preflight.address else ""
    return f"still asking {preflight.part}{where}: nothing was heard for {for_s:.0f} s"


def looked(preflight: Preflight) -> Iterator[Check]:
    """The checks of one preflight; an error that it did not foresee becomes its last check, which failed."""
    try:
        yield from preflight.look()
    except Exception as error:  # the border: libraries raise what they please, and the other parts are still to be looked at
        fix = f"look at the {preflight.part} settings (TOCSIN_{preflight.part.upper()}__*) and that part's own log; else report it"
        found = str(error) if isinstance(error, TocsinError) else where(error)
        yield Check(preflight.part, "unforeseen", False, found, fix)


def _tell_json(check: Check) -> None:
    typer.echo(orjson.dumps(asdict(check)).decode())


def _tell(out: Console, check: Check) -> None:
    mark, style = _SKIP if check.passed is None else _FAIL if not check.passed else _WARN if check.warning else _PASS
    first, *others = wrapped(out, f"{check.what}: {check.found}", f"{mark}  {check.part:<6}  ", _INDENT)
    line = Text(first)
    line.stylize(style, 0, len(mark))
    out.print(line, soft_wrap=True)
    for other in others:
        print_line(out, other)
    if check.fix:
        print_words(out, f"fix: {check.fix}", style="yellow", first=" " * _INDENT, indent=_INDENT + len("fix: "))


def _sum(checks: Sequence[Check]) -> str:
    failed, skipped = (sum(each.passed is state for each in checks) for state in (False, None))
    warnings = sum(each.warning for each in checks)
    said = f"{len(checks) - skipped} checked, {f'{failed} failed' if failed else 'all passed'}"
    said += f"; {skipped} not looked at." if skipped else "."
    return said + (f" {warnings} warning(s), marked `warn`." if warnings else "")
