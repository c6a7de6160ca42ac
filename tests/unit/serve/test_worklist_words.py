"""The worklist says everything in each language."""

from __future__ import annotations

from pathlib import Path

import pytest
import tocsin.review as review
import tocsin.serve.worklist as room
import tocsin.words as words
from babel.messages.pofile import read_po
from tocsin.words.catalogue import LANGUAGES

from tests.builders import card
from tests.support.sentences import sentences

ROOM, REVIEW, WORDS = (Path(str(each.__file__)).parent for each in (room, review, words))


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_every_sentence_of_the_worklist_and_of_messages_stands_in_the_catalogue(language: str) -> None:
    said = sentences(ROOM, REVIEW / "ages.py", REVIEW / "notices.py") | {band.display for band in card().operating_point.bands}
    assert len(said) > 60
    assert sorted(said - _translated(language)) == []


def _translated(language: str) -> set[str]:
    found: set[str] = set()
    for file in (WORDS / language).glob("*.po"):
        with file.open("rb") as opened:
            for message in read_po(opened, locale=language, abort_invalid=True):
                if all(message.string if isinstance(message.string, tuple) else (message.string,)):
                    found |= set(message.id) if isinstance(message.id, tuple | list) else {message.id}
    return found
