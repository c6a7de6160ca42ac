"""Rows that people read: lined up where there is room, one item below the other where there is not, and never broken inside a word.

What goes to a file or a pipe is never wrapped, so that it can be searched and cut.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import Final

from rich.console import Console
from rich.text import Text

NARROWEST: Final = 20
"""Columns below which lines are left to the terminal."""


def room(out: Console) -> int | None:
    """Columns that a line may take; None where nobody counts them: a pipe, a file."""
    if not out.is_terminal:
        return None
    return max(NARROWEST, get_terminal_size().columns if out.is_dumb_terminal else out.width)  # rich takes 80 for a dumb one


def print_columns(out: Console, heading: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
    """A line a row; where the longest would not fit, each row as its names and values, on as many lines as it takes."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    width = room(out)
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        for row, style in zip(rows, styles, strict=True):
            print_item(out, heading, row, style, width)
        return
    for row, style in zip((heading, *rows), ("bold", *styles), strict=True):
        print_line(out, "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip(), style)


def print_item(out: Console, heading: Sequence[str], row: Sequence[str], style: str, width: int) -> None:
    """The names of what it has beside their values; the first line stands out, the others are indented."""
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
    """Unbroken, so that it can be copied and searched."""
    out.print(Text(line, style=style), soft_wrap=True)


def print_words(out: Console, text: str, *, style: str = "", first: str = "", indent: int = 0) -> None:
    """Words, wrapped between them where the room ends; the first line begins with `first`, the others are indented."""
    for line in wrapped(out, text, first, indent):
        print_line(out, line, style)


def wrapped(out: Console, text: str, first: str, indent: int) -> list[str]:
    """The lines that `print_words` prints."""
    width = room(out)
    if width is None or indent >= width - NARROWEST:
        return [f"{first}{text}"]
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return lines or [first]
