"""Plain text fits an e-mail and steers nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.paper.text import COLUMNS, to_text
from tocsin.paper.types import Facts, Lines, Paragraph, Table

from tests.support.papers import document, kinds

KINDS = kinds()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_short_and_hold_letters_alone(kind: str, language: str) -> None:
    text = to_text(document(KINDS[kind](), language, names_patient=True))
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert all(each.isprintable() for each in text.splitlines())
    assert text.endswith("\n")
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_what_somebody_wrote_into_the_record_steers_no_terminal() -> None:
    hostile = "red \x1b[31m\x07\u202e bell\r\nSubject: forged"
    found = replace(document(KINDS["high"]()), blocks=(Paragraph(hostile), Facts(((hostile, hostile),)), Lines((hostile,))))
    text = to_text(found)
    assert not any(each in text for each in "\x1b\x07\r\u202e")
    assert "\nSubject" not in text


def test_a_table_too_wide_for_a_line_keeps_each_row_together() -> None:
    found = replace(document(KINDS["high"]()), blocks=(Table(("Class", "Score"), (("a" * 70, "0.1"),)),))
    assert f"- {'a' * 70},\n  0.1" in to_text(found)


def test_a_number_stays_with_its_per_cent_sign() -> None:
    found = replace(document(KINDS["high"]()), blocks=(Paragraph(f"{'word ' * 13}and 86 %"),))
    assert "86 %" in to_text(found)
