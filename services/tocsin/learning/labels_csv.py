"""A site's list of labelled pictures, as CSV: every row becomes a labelled picture, or is refused with its number and a reason.

Nothing is passed over. A row without a label is a picture without a label, which is never a benign one.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, get_args

from tocsin.errors import ConfigurationError
from tocsin.image.taken import YEARS_MAX
from tocsin.image.types import PatientFacts
from tocsin.learning.labels_persons import says_who
from tocsin.learning.labels_table import Record, Table, read_table, value_of
from tocsin.learning.labels_words import MALIGNANT, NOTHING, SEX, SITE, LabelsMapping, lowered
from tocsin.learning.lesions import called_both
from tocsin.learning.types import WEIGHT_MAX, LabelKind, Scored
from tocsin.model_card import FactsInput

RULES: Final = b"3\n"
"""Another with each change of what rows say: scores of a list that was read by other rules are not gone on with."""
GROUP_VALUES_MAX: Final = 50
"""A column with more different values than this makes no groups: it is a number, a name or a text."""
GROUP_CHARACTERS_MAX: Final = 80
ROWS_A_VALUE_MIN: Final = 3
"""A column whose values stand in fewer rows on average makes no groups, either: it may name persons or pictures."""
VALUES_FEW: Final = 4
"""So many different values make groups however few rows there are."""
BANDS: Final = ((18, "under 18"), (40, "18 to 39"), (60, "40 to 59"), (80, "60 to 79"), (math.inf, "80 and over"))
"""Age bands: the age in years below which one ends, and its name."""
OUTCOME: Final = re.compile(r"dx|diagnos[ei]s?(_full|_\d+)?|benign_malignant", re.IGNORECASE)
"""Names of columns that say what the lesion turned out to be. Such a column is the label in other words: a group by it holds cancers alone,
or none."""
FILE_CHARACTERS_MAX: Final = 1_000
"""What names a file in more characters, or over several lines, names none."""

OF_PERSONS: Final = (
    "has the name of a column that may say whose picture it is (which patient_id of --mapping may name; name it in the mapping's `groups` "
    "to have its groups all the same)"
)
OF_OUTCOME: Final = "says what the lesion turned out to be (name it in the mapping's `groups` to have them all the same)"
JUDGEMENT_UNKNOWN: Final = "judgement-not-known"

NOT_READ: Final[Mapping[str, str]] = {
    "row-malformed": "The row has more values than the header has names, or what stands for its file cannot be the name of one.",
    "file-not-named": "The row names no file.",
    "file-outside": "The file lies neither below the folder of pictures nor below that of the list.",
    "file-missing": "There is no such file below the folder of pictures, nor below that of the list.",
    "file-unreadable": "The file cannot be read.",
    "duplicate-row": "Another row names the same file; where the two say different things, neither is taken.",
    "label-unreadable": "What stands for malignant is neither 1 nor 0, nor a word that the mapping knows.",
    "label-kind-unreadable": "The kind of the label is none of pathology, follow-up, verdict and stated.",
    "labelled-on-unreadable": "The day of the label is no day like 2026-03-01.",
    "age-unreadable": f"The age is no number of years from 0 to {YEARS_MAX}.",
    "weight-unreadable": f"The weight is no number from 1 to {WEIGHT_MAX:,.0f}: one over a chance, not the chance itself.",
    JUDGEMENT_UNKNOWN: "The picture has a label, and no flag by the model and site file in use tells what was made of it.",
}
"""Reasons for which a row's picture was never looked at -> what each means. They say nothing about the picture."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row that can be judged."""

    row: int
    """In the list; the header is row 1."""
    file: Path
    facts: PatientFacts
    said: Scored
    """All that the list says of the picture; it has neither score nor refusal yet."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row whose picture is not looked at."""

    row: int
    reason: str
    """Key of NOT_READ."""
    picture: str
    """As the row names it; the row's number where it names none."""
    file: Path | None = None
    """Which it is nevertheless known to name: another row of that file is contradicted."""

    @property
    def scored(self) -> Scored:
        """The row's line in the file of scores."""
        return Scored(self.picture, None, refusal=self.reason)


@dataclass(slots=True)
class Labels:
    """What a list of labels holds."""

    rows: list[Labelled] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Sentences on what was not understood and changes no label."""
    sha256: str = ""
    """Of the list, and of how it was read."""


class _Wrong(Exception):
    """A row is refused; its text is a key of NOT_READ."""


def read_labels(path: Path, folder: Path, facts: FactsInput, mapping: LabelsMapping) -> Labels:
    """Read the list at `path`, whose files lie below `folder` or below the list's own folder.

    `facts` is what the card's model wants to know of a patient. Raises ConfigurationError where this is no such list at all.
    """
    table = read_table(path)
    _need(path, table.header, mapping)
    _check(mapping, facts)
    reading = _Reading(facts, mapping, (folder, path.parent), _groups(table, mapping))
    found = list(_told_once([reading.row(number, record, number in table.too_long) for number, record in table.rows.items()]))
    said = RULES + table.text.encode() + mapping.model_dump_json().encode()
    rows = [each for each in found if isinstance(each, Labelled)]
    return Labels(
        rows,
        [each for each in found if isinstance(each, RefusedRow)],
        [*reading.remarks, *called_both((each.row, each.said) for each in rows)],
        hashlib.sha256(said).hexdigest(),
    )


def band_of(age: float) -> str:
    """The name of the age band in which an age in years lies."""
    return next(name for below, name in BANDS if age < below)


def pseudonym(name: str) -> str:
    """How a patient or lesion that a list names is called in the file of scores: alike for alike names, and none of their letters."""
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def _need(path: Path, header: Sequence[str], mapping: LabelsMapping) -> None:
    lacking = [name for name in (mapping.columns.file, mapping.columns.malignant) if name not in header]
    if lacking:
        names = ", ".join(header) or "nothing"
        raise ConfigurationError(
            f"the list of labels {path} has no column {' and no column '.join(lacking)}; its header names {names}. Other names go into "
            "--mapping"
        )
    unknown = [name for name in mapping.columns.model_fields_set if getattr(mapping.columns, name) not in header]
    if unknown:
        raise ConfigurationError(f"--mapping says that {unknown[0]} is {getattr(mapping.columns, unknown[0])}, and {path} has none")


def _groups(table: Table, mapping: LabelsMapping) -> dict[str, str | None]:
    """Columns that make groups -> None, or why one does not after all."""
    columns, header = mapping.columns, table.header
    records = [record for number, record in table.rows.items() if number not in table.too_long]
    own = {str(name) for name in columns.model_dump().values()} | set(mapping.no_groups)
    ours = [name for name in (columns.sex, columns.site, columns.skin_tone) if name in header and name not in mapping.no_groups]
    others = [name for name in header if name and name not in own]
    return {name: _no_group(name, records) for name in ours} | {
        name: _of_persons(name, mapping) or _of_outcome(name, mapping) or _no_group(name, records, ROWS_A_VALUE_MIN) for name in others
    }


def _of_persons(name: str, mapping: LabelsMapping) -> str | None:
    return OF_PERSONS if says_who(name) and name not in mapping.groups else None


def _of_outcome(name: str, mapping: LabelsMapping) -> str | None:
    return OF_OUTCOME if OUTCOME.fullmatch(name) and name not in mapping.groups else None


def _no_group(name: str, records: Sequence[Record], rows_a_value: int = 1) -> str | None:
    values, known = set[str](), 0
    for record in records:
        value = value_of(record, name)
        if value.casefold() in NOTHING:
            continue
        known += 1
        values.add(value)
        if len(values) > GROUP_VALUES_MAX:
            return f"has more than {GROUP_VALUES_MAX} different values"
    if any(len(each) > GROUP_CHARACTERS_MAX for each in values):
        return "has longer texts"
    return "has values that hardly repeat" if len(values) > VALUES_FEW and known < rows_a_value * len(values) else None


def _check(mapping: LabelsMapping, facts: FactsInput) -> None:
    for name, words, known in (("sex", mapping.words.sex, facts.sexes), ("site", mapping.words.site, facts.sites)):
        wrong = sorted(set(words.values()) - set(known))
        if wrong:
            raise ConfigurationError(f"--mapping, words.{name}: the card knows {', '.join(known)}, and no {wrong[0]}")


class _Reading:
    """Reads rows, and remembers the words that nobody knew."""

    def __init__(self, facts: FactsInput, mapping: LabelsMapping, roots: Sequence[Path], groups: Mapping[str, str | None]) -> None:
        self._facts, self._columns, self._roots = facts, mapping.columns, roots
        self._groups, self._no_groups = groups, frozenset(mapping.no_groups)
        self._malignant = {**MALIGNANT, **lowered(mapping.words.malignant)}
        self._sex = {**SEX, **{each: each for each in facts.sexes[:-1]}, **lowered(mapping.words.sex)}
        self._site = {**SITE, **{each: each for each in facts.sites[:-1]}, **lowered(mapping.words.site)}
        self._kinds = {**{each: each for each in get_args(LabelKind)}, **lowered(mapping.words.label_kind)}
        self._unknown: dict[str, Counter[str]] = {"sex": Counter(), "site": Counter()}

    @property
    def remarks(self) -> list[str]:
        made = [f"column {name} makes no groups: it {why}" for name, why in self._groups.items() if why is not None]
        for name, words in self._unknown.items():
            if words:
                listed = ", ".join(f"{word} ({count})" for word, count in sorted(words.items())[:10])
                made.append(f"{name}: the model was told nothing for {words.total()} rows, whose words it does not know: {listed}")
        return made

    def row(self, number: int, record: Record, too_long: bool) -> Labelled | RefusedRow:
        name = value_of(record, self._columns.file).replace("\\", "/")
        if len(name.splitlines()) > 1 or len(name) > FILE_CHARACTERS_MAX:
            return RefusedRow(number, "row-malformed", f"row {number}")
        picture, file = os.path.normpath(name) if name and not too_long else f"row {number}", None
        try:
            file = self._file(name)
            if too_long:
                raise _Wrong("row-malformed")
            return Labelled(number, file, *self._read(picture, record))
        except _Wrong as wrong:
            return RefusedRow(number, "row-malformed" if too_long else str(wrong), picture, file)

    def _read(self, picture: str, record: Record) -> tuple[PatientFacts, Scored]:
        columns, age = self._columns, self._age(record)
        sex, site = self._known(record, "sex", self._sex), self._known(record, "site", self._site)
        codes = self._facts.site_codes.get(site or "", ())[:1]
        said = Scored(
            picture,
            None,
            malignant=self._label(record),
            label_kind=self._kind(record),
            labelled_on=_day(value_of(record, columns.labelled_on)),
            patient=_who(value_of(record, columns.patient_id)),
            lesion=_who(value_of(record, columns.lesion_id)),
            weight=_weight(value_of(record, columns.weight)),
            groups=self._grouped(record, age),
        )
        return PatientFacts(sex=sex, age_years=age, body_site_codes=codes), said

    def _grouped(self, record: Record, age: float | None) -> dict[str, str]:
        columns = self._columns
        own = {"sex": columns.sex, "body site": columns.site, "skin tone": columns.skin_tone}
        others = {name: name for name, why in self._groups.items() if why is None and name not in {*own, *own.values(), "age band"}}
        words = {ours: value_of(record, theirs) for ours, theirs in (own | others).items() if self._makes_groups(theirs)}
        words |= {} if age is None or columns.age in self._no_groups else {"age band": band_of(age)}
        return {name: word for name, word in words.items() if word.casefold() not in NOTHING}

    def _makes_groups(self, column: str) -> bool:
        return column in self._groups and self._groups[column] is None

    def _file(self, name: str) -> Path:
        if not name:
            raise _Wrong("file-not-named")
        below = paths_below(self._roots, name)
        if not below:
            raise _Wrong("file-outside")
        found = next((path for path in below if os.path.lexists(path)), None)
        if found is None:
            raise _Wrong("file-missing")
        if not found.is_file():  # a folder, or a pipe, which would keep its reader waiting
            raise _Wrong("file-unreadable")
        return found

    def _label(self, record: Record) -> bool | None:
        word = value_of(record, self._columns.malignant).casefold()
        if word in self._malignant:
            return bool(self._malignant[word])
        if word in NOTHING:
            return None
        raise _Wrong("label-unreadable")

    def _kind(self, record: Record) -> LabelKind:
        word = value_of(record, self._columns.label_kind).casefold()
        found = "stated" if word in NOTHING else self._kinds.get(word)
        for kind in get_args(LabelKind):
            if kind == found:
                return kind  # type: ignore[no-any-return] # get_args forgets that these are the kinds
        raise _Wrong("label-kind-unreadable")

    def _age(self, record: Record) -> float | None:
        word = value_of(record, self._columns.age)
        if word.casefold() in NOTHING:
            return None
        age = _number(word)
        if age is None or not 0 <= age <= YEARS_MAX:
            raise _Wrong("age-unreadable")
        return age

    def _known(self, record: Record, name: str, words: Mapping[str, object]) -> str | None:
        """What the model is told: nothing where the list says nothing, or what nobody knows."""
        word = value_of(record, getattr(self._columns, name))
        if word.casefold() in NOTHING:
            return None
        if word.casefold() not in words:
            self._unknown[name][word] += 1
        return str(words.get(word.casefold(), "unknown"))


def paths_below(roots: Iterable[Path], name: str) -> list[Path]:
    """Where a picture of that name may lie below these folders, the likeliest first, there or not; none leads out of its folder."""
    spelt = dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))))  # macOS takes letters apart
    return [path for root in roots for each in spelt if (path := _below(root, each)) is not None]


def _below(root: Path, name: str) -> Path | None:
    """The path of this name if it lies below the root; links are not looked at."""
    base = os.path.normpath(root)
    path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118 - pathlib keeps `..`
    return Path(path) if Path(path).is_relative_to(base) and path != base and "\0" not in path else None


def _number(word: str) -> float | None:
    try:
        number = float(word.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _weight(word: str) -> float:
    if word.casefold() in NOTHING:
        return 1.0
    weight = _number(word)
    if weight is None or not 1 <= weight <= WEIGHT_MAX:
        raise _Wrong("weight-unreadable")
    return weight


def _who(word: str) -> str | None:
    """What is called by a word that stands for nothing is not one and the same patient or lesion."""
    return None if word.casefold() in NOTHING else pseudonym(word)


def _day(word: str) -> date | None:
    if word.casefold() in NOTHING:
        return None
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise _Wrong("labelled-on-unreadable") from None


def _told_once(found: Sequence[Labelled | RefusedRow]) -> Iterator[Labelled | RefusedRow]:
    """Each file by one row: where rows say the same the first is taken, where they do not, or one cannot be read, none is."""
    told: dict[str, list[Labelled | RefusedRow]] = {}
    for each in found:
        if each.file is not None:
            told.setdefault(os.path.realpath(each.file), []).append(each)
    taken = {id(rows[0]) for rows in told.values() if _agree(rows)}
    for each in found:
        yield RefusedRow(each.row, "duplicate-row", each.said.picture) if isinstance(each, Labelled) and id(each) not in taken else each


def _agree(rows: Sequence[Labelled | RefusedRow]) -> bool:
    read = [(each.facts, each.said) for each in rows if isinstance(each, Labelled)]
    return len(read) == len(rows) and all(each == read[0] for each in read)
