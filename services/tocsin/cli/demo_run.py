"""Composes the demo from cases, stack and teller. Imports what only the sandbox extra installs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tocsin.cli.demo_output import JsonTeller, TableTeller, Teller, Totals
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox import jaeger
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.demo.folder import gather, some
from tocsin.sandbox.demo.run import Demo, Told, Up
from tocsin.sandbox.demo.ward import Case, drawn_cases
from tocsin.sandbox.reference import reference_repository
from tocsin.sandbox.stack import running_stack
from tocsin.terminal import Progress, console, plain, say, terminal

DRAWN_UNLESS_TOLD = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of `tocsin demo` ask for."""

    count: int | None
    images: Path | None
    modality: str
    stay: bool
    traces: bool
    as_json: bool


def show(wish: Wish) -> None:
    """Runs the demo to its end. Raises SandboxError."""
    cases = _cases(wish)
    teller: Teller = JsonTeller(cases) if wish.as_json else TableTeller(console(), cases)
    cache, progress = cache_folder(os.environ), terminal()
    program = jaeger.binary(cache, progress, threading.Event()) if wish.traces else None
    _show(cases, teller, _House(cache, progress, program), stay=wish.stay)


@dataclass(frozen=True, slots=True)
class _House:
    """What the demo is shown on."""

    cache: Path
    progress: Progress
    jaeger: Path | None
    """Jaeger's program; None where nothing is traced."""


@contextmanager
def _tracing(house: _House, folder: Path) -> Iterator[jaeger.Jaeger | None]:
    """Jaeger until the block ends, where events are traced. The main thread starts it, so that it lives as long as the demo."""
    if house.jaeger is None:
        yield None
        return
    with house.progress.step("starting Jaeger"):
        part = jaeger.start(house.jaeger, folder)
    try:
        yield part
    finally:
        part.stop()


def _cases(wish: Wish) -> list[Case]:
    if wish.images is None:
        return drawn_cases(wish.count or DRAWN_UNLESS_TOLD)
    gathered = gather(wish.images, wish.count, wish.modality, date.today())
    for sentence in gathered.left_out:
        say(f"left out: {plain(sentence)}")
    sites = {code for codes in read_card(packaged(REFERENCE_CARD)).facts.site_codes.values() for code in codes}
    unknown = sorted({each.facts.body_site for each in gathered.cases if each.facts.body_site} - sites)
    if unknown:
        say(f"the model's card knows no body site {some(unknown)}: those pictures are judged as if their body site were unknown")
    return gathered.cases


def _show(cases: list[Case], teller: Teller, house: _House, *, stay: bool) -> None:
    def models(folder: Path, interrupted: threading.Event) -> Path:
        return reference_repository(folder, house.cache, house.progress, interrupted)

    totals = Totals()
    with (
        running_stack(cache=house.cache, models=models, progress=house.progress) as stack,
        _tracing(house, stack.folder / "jaeger") as traces,
    ):
        showing = Demo(stack, house.progress, traces, staying=stay)
        teller.begin()

        def tell(told: Told) -> None:
            totals.count(told)
            teller.tell(told)

        def afterwards(look: Callable[[], Up]) -> None:
            teller.end(totals, look() if stay else None)
            if stay:
                _until_interrupted()

        showing.show(cases, tell, afterwards)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
