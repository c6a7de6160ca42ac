"""What the stack says while it fetches and starts; steps may run in several threads at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol, TextIO

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


class Step(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float) -> None:
        """`amount` more of the total is done; negative when an attempt's work was lost. Safe for threads."""


class Progress(Protocol):
    """Where steps are shown."""

    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> AbstractContextManager[Step]:
        """The step `what` lasts as long as the block; `total` is None where nobody knows how much there is. Safe for threads."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> Iterator[Step]:
        """Says nothing about `what`."""
        yield self

    def advance(self, amount: float) -> None:
        """Forgets `amount`."""


class Lines:
    """One plain line when a step ends, for logs and pipes."""

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
    """A bar for work of a known size, a turning mark and seconds for the rest; ended steps stay in sight."""

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
    """Bytes with their speed, items with their count, or only the seconds that have passed."""

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
