"""The demo, put together: cases, stack, teller. Imports what only the sandbox extra installs."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import typer

from tocsin.cli.console import console
from tocsin.cli.tellers import JsonTeller, TableTeller, Teller, Totals
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.checkout import find_checkout
from tocsin.sandbox.demo.run import Demo, Told
from tocsin.sandbox.demo.ward import Case, cases_from, drawn_cases
from tocsin.sandbox.progress import terminal
from tocsin.sandbox.reference import reference_repository
from tocsin.sandbox.stack import running_stack

DRAWN_UNLESS_TOLD = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked of the demo."""

    count: int | None
    images: Path | None
    modality: str
    stay: bool
    as_json: bool


def show(wish: Wish) -> None:
    """Runs the demo to its end. Raises SandboxError, and typer.BadParameter where the folder holds no picture."""
    teller: Teller = JsonTeller() if wish.as_json else TableTeller(console())
    _show(_cases(wish), teller, drawn=wish.images is None, stay=wish.stay)


def _cases(wish: Wish) -> list[Case]:
    if wish.images is None:
        return drawn_cases(wish.count or DRAWN_UNLESS_TOLD)
    cases = cases_from(wish.images, wish.count, wish.modality)
    if not cases:
        raise typer.BadParameter("the folder holds no .jpg, .jpeg or .png file", param_hint="--images")
    return cases


def _show(cases: list[Case], teller: Teller, *, drawn: bool, stay: bool) -> None:
    checkout, cache, progress = find_checkout(), cache_folder(os.environ), terminal()

    def models(folder: Path, interrupted: threading.Event) -> Path:
        return reference_repository(checkout, folder, cache, progress, interrupted)

    totals = Totals()
    with running_stack(cache=cache, models=models, progress=progress) as stack:
        showing = Demo(stack, checkout, progress)
        teller.begin(drawn)

        def tell(told: Told) -> None:
            totals.count(told)
            teller.tell(told)

        def afterwards() -> None:
            teller.end(totals, stack, showing.log if stay else None)
            if stay:
                _until_interrupted()

        showing.show(cases, tell, afterwards)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
