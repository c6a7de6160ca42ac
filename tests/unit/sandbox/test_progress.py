"""What is under way is shown as bars in a terminal, as plain lines elsewhere, from any thread."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from tocsin.terminal import Bars, Lines, Progress, Silent, terminal


def test_a_line_says_how_much_and_how_long() -> None:
    stream = io.StringIO()
    with Lines(stream).step("fetching", total=2_500_000, unit="bytes") as step:
        step.advance(2_500_000)
    assert re.fullmatch(r"fetching \(2\.5 MB\): done in \d+\.\d s\n", stream.getvalue())


def test_a_line_says_that_a_step_failed() -> None:
    stream = io.StringIO()
    with pytest.raises(OSError, match="gone"), Lines(stream).step("starting"):
        raise OSError("gone")
    assert stream.getvalue().startswith("starting: failed after ")


def test_what_is_not_a_terminal_gets_lines() -> None:
    assert isinstance(terminal(io.StringIO()), Lines)


@pytest.mark.parametrize("colour", [True, False])
def test_bars_stay_in_sight_and_colours_can_be_turned_off(colour: bool) -> None:
    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=120, color_system="standard", no_color=not colour, highlight=False))
    with bars.step("fetching", total=1000, unit="bytes") as step:
        step.advance(500)
        with bars.step("starting"):
            pass
        step.advance(500)
    assert "✓ fetching" in stream.getvalue()
    assert "✓ starting" in stream.getvalue()
    assert ("\x1b[3" in stream.getvalue()) == colour


@pytest.mark.parametrize("progress", [Silent(), Lines(io.StringIO()), Bars(Console(file=io.StringIO(), force_terminal=True))])
def test_steps_may_run_in_several_threads(progress: Progress) -> None:
    def work(number: int) -> None:
        with progress.step(f"step {number}", total=10) as step:
            for _ in range(10):
                step.advance(1)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
