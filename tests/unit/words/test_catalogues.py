"""Every sentence that a clinician may read is said in every language, and nothing stands in a catalogue that nobody says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from tocsin.words.catalogue import LANGUAGES, catalogue

from tests.unit.words.sentences import PRODUCT, in_modules, in_pages

FILES = sorted((PRODUCT / "words").glob("*/*.po"))
NAMES = re.compile(r"\{(\w+)\}")


def messages(file: Path) -> Iterator[Message]:
    with file.open("rb") as opened:
        yield from (each for each in read_po(opened, abort_invalid=True) if each.id)


def said_by(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def translations_of(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_sentence_is_said_in_every_language(language: str) -> None:
    known = {each for file in FILES if file.parent.name == language for message in messages(file) for each in said_by(message)}
    missing = {sentence: str(file.relative_to(PRODUCT)) for sentence, file in (in_modules() | in_pages()).items() if sentence not in known}
    assert missing == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_catalogue_holds_no_sentence_that_nobody_says_and_leaves_none_empty(file: Path) -> None:
    said = in_modules().keys() | in_pages().keys()
    found = list(messages(file))
    assert [each for message in found for each in said_by(message) if each not in said] == []
    assert [message.id for message in found if not all(translations_of(message)) or message.fuzzy] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_translation_names_the_values_that_its_sentence_names(file: Path) -> None:
    for message in messages(file):
        names = {name for each in said_by(message) for name in NAMES.findall(each)}
        assert {name for each in translations_of(message) for name in NAMES.findall(each)} == names, message.id


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_sentence_stands_in_two_catalogues(language: str) -> None:
    """The catalogues of a language are one when it is spoken: whichever is read last would win."""
    files = [file for file in FILES if file.parent.name == language]
    sentences = Counter(each for file in files for message in messages(file) for each in said_by(message))
    assert [sentence for sentence, times in sentences.items() if times > 1] == []


def test_a_number_and_a_day_are_written_as_each_language_writes_them() -> None:
    english, german = catalogue("en"), catalogue("de")
    assert (english.number(0.017, 3), german.number(0.017, 3), german.number(0.5)) == ("0.017", "0,017", "0,5")
    with pytest.raises(KeyError):
        catalogue("fr")
