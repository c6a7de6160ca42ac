"""A site's list as rows under a header, from CSV. Where a quote is left open the list is refused: it would take the rows after it in."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError

DELIMITERS: Final = (",", ";", "\t")

Record = Mapping[str, str]
"""A row's values by their column's name."""


@dataclass(frozen=True, slots=True)
class Table:
    """A list as it was read."""

    text: str
    header: Sequence[str]
    rows: Mapping[int, Record]
    """Each row that is not empty by its number; the header is row 1."""
    too_long: frozenset[int]
    """Numbers of the rows that have more values than the header has names."""


def read_table(path: Path) -> Table:
    """The list at `path`. Raises ConfigurationError where it cannot be read, or where its quotes may have taken rows in."""
    text = _text(path)
    delimiter = max(DELIMITERS, key=text.split("\n", 1)[0].count)
    lines = list(_lines(path, text, delimiter))
    header = [name.strip() for name in lines[0]] if lines else []
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise ConfigurationError(f"the list of labels {path} names a column twice in its header: {twice[0]}")
    rows = {number: values for number, values in enumerate(lines[1:], 2) if any(map(str.strip, values))}
    return Table(
        text,
        header,
        {number: {name: value.strip() for name, value in zip(header, values, strict=False)} for number, values in rows.items()},
        frozenset(number for number, values in rows.items() if any(map(str.strip, values[len(header) :]))),
    )


def value_of(record: Record, name: str) -> str:
    """What a row says in the column of that name; empty where it says nothing."""
    return record.get(name, "")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"the list of labels {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the list of labels {path} is not text in UTF-8: save it as such") from None


def _lines(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    """The values of each line, the header's first; none of what they say is in an error."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins, names = 1, 0
    try:
        for values in lines:
            names = names or len(values)
            if _took_rows_in(values, names, delimiter):
                raise ConfigurationError(
                    f"the list of labels {path} has a value over several lines, from line {begins} to {lines.line_num}, that may have "
                    "taken rows in: a stray quote stands there, or a text with line ends. Take them out"
                )
            yield values
            begins = lines.line_num + 1
    except csv.Error as error:
        raise ConfigurationError(
            f"the list of labels {path} is no CSV in the row that begins at line {begins} ({error}): is a quote there "
            "never closed, or closed too early?"
        ) from None


def _took_rows_in(values: Sequence[str], names: int, delimiter: str) -> bool:
    """Whether one of the values may be the rest of its row, further rows, and the beginning of the last of them.

    That last row reaches the same column, so that as many delimiters stand before it; a text over several lines has fewer.
    """
    over_lines = [(column, value.split("\n")[1:]) for column, value in enumerate(values) if "\n" in value]
    return any(len(values) > names or any(line.count(delimiter) >= column for line in lines) for column, lines in over_lines)
