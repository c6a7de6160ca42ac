"""One language: sentences from gettext catalogues (`<language>/*.po` beside this file), dates and numbers by CLDR (Babel).

Sentences stand in the code in English, which needs no catalogue; a translation that is missing is said in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

LANGUAGES: Final = ("en", "de")
"""The languages in which Tocsin says everything; the first is the code's own."""

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What one language says, and how. Safe for threads."""

    locale: Locale
    translations: NullTranslations

    @property
    def language(self) -> str:
        """The language as one of LANGUAGES, which is also its BCP 47 tag."""
        return self.locale.language

    def say(self, sentence: str, **values: object) -> str:
        """The sentence in this language, with {name} replaced by the value of that name."""
        return self.translations.gettext(sentence).format(**values)

    def of_record(self, words: str) -> str:
        """Words that stood in the record, in this language where they are a sentence of Tocsin's; they have no values."""
        return self.translations.gettext(words) if words else words

    def say_of(self, number: int, one: str, many: str, **values: object) -> str:
        """`one` or `many` in the form that this language has for the number, which both may name as {number}."""
        return self.translations.ngettext(one, many, number).format(number=self.number(number), **values)

    def number(self, value: float, decimals: int | None = None) -> str:
        """The number as this language writes it; with exactly so many decimals where they are given."""
        return _number(value, decimals, self.locale.language)

    def month(self, day: date) -> str:
        """The month of the day, in letters, and its year."""
        return format_skeleton("yMMMM", day, locale=self.locale)

    def date(self, day: date) -> str:
        """The day with its month in letters, so that nobody takes the one for the other."""
        return _day(day, self.locale.language)

    def moment(self, when: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
        """An aware time as it is in that zone, to the minute or to the second, with the zone's name."""
        pattern = "HH:mm:ss z" if seconds else "HH:mm z"
        return f"{self.date(when.astimezone(zone).date())}, {format_datetime(when, pattern, tzinfo=zone, locale=self.locale)}"


def to_say(sentence: str) -> str:
    """The sentence itself, which `say` is given later: marks where sentences stand that the catalogues have to know."""
    return sentence


@lru_cache(maxsize=4096)
def _number(value: float, decimals: int | None, language: str) -> str:
    return format_decimal(value, None if decimals is None else f"#,##0.{'0' * decimals}", locale=language)


@lru_cache(maxsize=1024)
def _day(day: date, language: str) -> str:
    return format_date(day, "long", locale=language)


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> Catalogue:
    """The catalogue of one of LANGUAGES. Raises KeyError for another."""
    if language not in LANGUAGES:
        raise KeyError(language)
    locale = Locale.parse(language)
    merged = Translations()
    for file in sorted((_FOLDER / language).glob("*.po")):
        merged.add(_translations(file, language))
    return Catalogue(locale, merged)


def _translations(file: Path, language: str) -> Translations:
    with file.open("rb") as opened:
        read = read_po(opened, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled)
