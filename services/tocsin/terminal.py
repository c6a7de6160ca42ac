"""How Tocsin speaks to a person: bars, rows, times.

Rows are lined up where there is room, else their items stand one below the other; no line is broken inside a word. What goes to a file or
a pipe is never wrapped, so that it can be searched and cut. Steps that bars show may run in several threads at once.
"""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import Final, Literal, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

Unit = Literal["bytes", "items"]
NARROWEST: Final = 20
"""Fewest columns to which Tocsin wraps lines; the terminal breaks them where it has fewer."""


class Step(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float) -> None:
        """Add `amount` to what is done of the total; it is negative when an attempt's work was lost. Safe for threads."""


class Progress(Protocol):
    """Shows a person the steps under way."""

    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> AbstractContextManager[Step]:
        """Show the step `what` for as long as the block; `total` is None where nobody knows it. Safe for threads."""


class Silent:
    """A Progress and Step that shows nothing."""

    @contextmanager
    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> Iterator[Step]:
        """Says nothing about `what`."""
        yield self

    def advance(self, amount: float) -> None:
        """Forgets `amount`."""


class Lines:
    """A Progress that writes one plain line when a step ends, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> Iterator[Step]:
        """Writes how long `what` took, or that it failed."""
        began = time.monotonic()
        ending = "failed after"
        try:
            yield Silent()
            ending = "done in"
        finally:
            self._stream.write(f"{what}{_amount(total, unit)}: {ending} {time.monotonic() - began:.1f} s\n")
            self._stream.flush()


class Bars:
    """A Progress with bars for work of a known size, else a turning mark and seconds; ended steps stay in sight."""

    def __init__(self, console: Console) -> None:
        self._bars = RichProgress(SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), _Amount(), console=console)
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> Iterator[Step]:
        """Shows `what` until the block ends."""
        self._show()
        task = self._bars.add_task(what, total=total, unit=unit)
        try:
            yield _Bar(self._bars, task)
            self._bars.update(task, total=total or 1, completed=total or 1)
        finally:
            self._bars.stop_task(task)
            self._hide()

    def _show(self) -> None:
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._bars.start()

    def _hide(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._bars.stop()
                for task in self._bars.task_ids:
                    self._bars.remove_task(task)


class _Bar:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: float) -> None:
        self._bars.advance(self._task, amount)


class _Amount(ProgressColumn):
    """The column for a step's amount: bytes with their speed, items with their count, or only the seconds that have passed."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = TimeElapsedColumn()
        self._bytes: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
        self._items: tuple[ProgressColumn, ...] = (MofNCompleteColumn(),)

    def render(self, task: Task) -> Text:
        if task.total is None or task.finished:
            return self._seconds.render(task)
        columns = self._bytes if task.fields["unit"] == "bytes" else self._items
        done = int(24 * task.percentage / 100)
        bar = Text("━" * done, style="bar.complete") + Text("━" * (24 - done), style="bar.back")
        return Text(" ").join([bar, *(Text(str(column.render(task))) for column in columns)])


def terminal(stream: TextIO | None = None) -> Progress:
    """Bars where `stream` (standard error unless told) is a terminal, else plain lines; colours obey NO_COLOR."""
    console = Console(file=stream or sys.stderr)
    return Bars(console) if console.is_terminal else Lines(stream or sys.stderr)


def _amount(total: float | None, unit: Unit) -> str:
    if total is None:
        return ""
    return f" ({total / 1e6:.1f} MB)" if unit == "bytes" else f" ({total:.0f})"


def console() -> Console:
    """Standard output, without escape codes where NO_COLOR is set (no-color.org): rich alone would still write bold."""
    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto")


def room(out: Console) -> int | None:
    """How many columns a line may take; None for a pipe or a file, where nobody counts them."""
    if not out.is_terminal:
        return None
    return max(NARROWEST, get_terminal_size().columns if out.is_dumb_terminal else out.width)  # rich takes 80 for a dumb one


def print_columns(out: Console, heading: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
    """Print a line for each row; where the longest would not fit, print each row with `print_item`."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    width = room(out)
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        for row, style in zip(rows, styles, strict=True):
            print_item(out, heading, row, style, width)
        return
    for row, style in zip((heading, *rows), ("bold", *styles), strict=True):
        print_line(out, "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip(), style)


def print_item(out: Console, heading: Sequence[str], row: Sequence[str], style: str, width: int) -> None:
    """Print a row as names beside their values, on as many lines as it takes; those after the first are indented."""
    lines = [""]
    for name, value in zip(heading, row, strict=True):
        pair = f"{name} {value}".strip()
        if not value:
            continue
        if len(lines[-1]) + 2 + len(pair) > width and lines[-1].strip():
            lines.append("  ")
        lines[-1] += pair if not lines[-1].strip() else f"  {pair}"
    for line in lines:
        print_line(out, line, style)


def print_line(out: Console, line: str, style: str = "") -> None:
    """Print the line unbroken, so that it can be copied and searched."""
    out.print(Text(line, style=style), soft_wrap=True)


def print_words(out: Console, text: str, *, style: str = "", first: str = "", indent: int = 0) -> None:
    """Print the text, wrapped between words where the room ends; the first line begins with `first`, the others are indented."""
    for line in wrapped(out, text, first, indent):
        print_line(out, line, style)


def wrapped(out: Console, text: str, first: str, indent: int) -> list[str]:
    """The lines that `print_words` prints."""
    width = room(out)
    if width is None or indent >= width - NARROWEST:
        return [f"{first}{text}"]
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return lines or [first]


def seconds(when: datetime) -> str:
    """The time in UTC to the second, as ISO 8601 has it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(text: str) -> None:
    """Print the text to standard error, as all that is no result."""
    print(f"tocsin: {text}", file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """The text with unprintable characters escaped: a sender may have chosen it, and it must not steer a terminal."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def progress() -> Progress:
    """Bars where standard error is a terminal; else nothing, so that scripts are told nothing."""
    return terminal() if sys.stderr.isatty() else Silent()
