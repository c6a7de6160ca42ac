"""Which columns of a list say whose picture it is, by their headings in English and German. Pure.

A heading that speaks of a patient or of another person does, and one that speaks of a name or a number, unless it is a thing's
(device_name, Klinik-Nr). Rather a column too many than a name in a report: the mapping's `groups` allows one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PERSON: Final = re.compile(
    "patient|proband|vorname|nachname|familienname|zuname|surname|maiden|initialen|initials|kuerzel|kurzel|versich|insurance|accession"
    "|adress|address|strasse|telefon|telephone|email|geburt|geboren|birth(?!mark)|gebdat|gebjahr|medicalrecord|sozialvers"
)
"""Anywhere in a heading; in small letters, without blanks, signs and accents."""
_PERSONS_WORD: Final = re.compile(
    "pat|pid|mrn|ssn|dob|geb|kis|mpi|empi|kvnr|ahv|svnr|nhs|subjects?|persone?n?|participants?|teilnehmer(in)?|kunde"
    "|(aerzt|arzt)(in)?|physician|doctor"
)
"""A whole word of a heading."""
_ALONE: Final = frozenset({"case", "fall", "aufnahme", "phone", "mail"})
"""A whole heading. Such a word stands for something else where others go with it: case_control, Aufnahmegerät."""
_OF_SUBJECT: Final = re.compile("(pat|case|fall|subject|person|kis)(id|no|num|name|code)")
"""A whole word that is written together."""
_NAME_OR_NUMBER: Final = re.compile("(.*(name|namen|nummer|number|nr|kennung))|id|ids|no|num")
"""A whole word of a heading."""
_THINGS: Final = re.compile(
    "device|gerat|geraet|camera|kamera|clinic|klinik|hospital|krankenhaus|spital|praxis|practice|site|standort|scanner|dermatos[ck]op"
    "|lens|linse|serial|serien|series|model|version|software|stud(y|ie)|proje[ck]t|dataset|room|raum|ward|station|department|abteilung"
    "|cent(er|re)|zentrum|lesion|lasion|laesion|region|class|klasse|group|gruppe|protocol|protokoll|country|modality|modalitat|manufacturer|vendor"
    "|hersteller|facility|institut|(number|no)of"
)
"""Whose name or number is nobody's; anywhere in a heading."""
_WORDS: Final = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def says_who(heading: str) -> bool:
    """Whether a column of this heading may hold the name or the number of a person."""
    letters = "".join(each for each in unicodedata.normalize("NFKD", heading.replace("ß", "ss")) if not unicodedata.combining(each))
    words = [word.lower() for word in _WORDS.findall(letters)]
    plain = "".join(words)
    return (
        plain in _ALONE
        or _PERSON.search(plain) is not None
        or any(_PERSONS_WORD.fullmatch(word) or _OF_SUBJECT.fullmatch(word) for word in words)
        or (any(map(_NAME_OR_NUMBER.fullmatch, words)) and _THINGS.search(plain) is None)
    )
