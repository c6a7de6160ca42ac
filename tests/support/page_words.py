"""Every sentence that the review page says: those in its templates, and those in its code's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tocsin.serve.page import forms, messages, notices, words

_PAGE = Path(words.__file__).parent
_SAY = re.compile(r"""\bsay(?:_of)?\((?:[^"'()]*(?:\([^()]*\))?[^"'()]*,\s*)?"((?:[^"\\]|\\.)*)\"""")
_RAISED = re.compile(r'Unreadable\(\s*"([^"]+)"(?: if [^"]* else "([^"]+)")?')


def sentences() -> set[str]:
    """The sentences in English, as the catalogues know them."""
    return set(_in_templates()) | set(_in_code()) | set(_in_tables())


def _in_templates() -> Iterator[str]:
    for file in sorted((_PAGE / "templates").rglob("*.html")):
        yield from (found[1] for found in _SAY.finditer(file.read_text("utf-8")))


def _in_code() -> Iterator[str]:
    for file in sorted(_PAGE.glob("*.py")):
        text = file.read_text("utf-8")
        yield from (found[1] for found in _SAY.finditer(text))
        yield from (sentence for found in _RAISED.finditer(text) for sentence in found.groups() if sentence)


def _in_tables() -> Iterator[str]:
    for table in (words.ACTS, words.STATES):
        yield from (sentence for pair in table.values() for sentence in pair if sentence)
    for plain in (words.DONE, words.IMPRESSIONS, words.STATUSES, words.SEXES):
        yield from plain.values()
    yield from (*notices.OTHERS.values(), *notices.UNKNOWN.values(), words.UNKNOWN_STATUS, forms.INCOMPLETE)
    yield from (text for each in vars(messages).values() if isinstance(each, messages.Message) for text in (each.title, each.advice))
