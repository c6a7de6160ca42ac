"""Document -> plain text, for e-mail, HL7 v2 and whoever has it read aloud: UTF-8 letters, lines of a bounded length, nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final, assert_never

from tocsin.paper.plain import NO_BREAK, plain
from tocsin.paper.types import Block, Document, Facts, Heading, Lines, Notice, Paragraph, Result, Table

COLUMNS: Final = 72
"""Longest line, but for a word that is longer."""
NAMES_MAX: Final = 24
"""Most columns for the names of facts."""


def to_text(document: Document) -> str:
    """The document as lines that end in a line feed; headings are underlined, lists begin with a hyphen."""
    parts = [
        _underlined(document.title, "="),
        _wrapped(document.subtitle),
        *(_set(each) for each in document.blocks),
        [line for each in document.foot for line in _wrapped(each)],
    ]
    whole = "\n\n".join("\n".join(lines) for lines in parts if lines)
    return f"{whole.replace(NO_BREAK, ' ')}\n"


def _set(block: Block) -> list[str]:
    match block:
        case Heading():
            return _underlined(block.text, "-")
        case Paragraph():
            return _wrapped(block.text)
        case Notice():
            return [line for each in block.sentences for line in _wrapped(each, first="! ", others="  ")]
        case Lines():
            return [line for each in block.items for line in _wrapped(each, first="- ", others="  ")]
        case Facts():
            return list(_facts(block))
        case Table():
            return list(_table([block.heading, *block.rows]))
        case Result():
            return list(_result(block))
        case _:
            assert_never(block)


def _result(result: Result) -> Iterator[str]:
    yield from _wrapped(result.said)
    for each in result.paragraphs:
        yield from _wrapped(each.text)
    if result.figure is not None:
        yield from _wrapped(f"[{result.figure.instead}]")


def _facts(facts: Facts) -> Iterator[str]:
    """Names beside values; a value whose word is too long for that stands below its name."""
    width = min(NAMES_MAX, max((len(name) for name, _ in facts.rows), default=0) + 2)
    for name, value in facts.rows:
        if max(map(len, plain(value).split(" "))) > COLUMNS - width:
            yield from _wrapped(name)
            yield from _wrapped(value, first="  ", others="  ")
            continue
        beside = zip_longest(_wrapped(name, columns=width - 1), _wrapped(value, columns=COLUMNS - width), fillvalue="")
        yield from (f"{left.ljust(width)}{right}".rstrip() for left, right in beside)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns side by side where they fit; else each row on lines of its own."""
    cells = [tuple(map(plain, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > COLUMNS:
        for row in cells:
            yield from _wrapped(", ".join(row), first="- ", others="  ")
        return
    for row in cells:
        last = row[-1].rjust(widths[-1])
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)), last]).rstrip()


def _underlined(text: str, mark: str) -> list[str]:
    lines = _wrapped(text)
    return [*lines, mark * max(map(len, lines), default=0)] if lines else []


def _wrapped(text: str, *, first: str = "", others: str = "", columns: int = COLUMNS) -> list[str]:
    return textwrap.wrap(
        plain(text), columns, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
