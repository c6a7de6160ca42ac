"""Reads a folder of real pictures for the demo, and what its pictures.csv says of them. The demo states nothing else of a real picture.

pictures.csv may stand in the folder: a line for each picture with `file` (its path below the folder) and any of `sex` (female, male,
other, unknown), `birth_date` (as 1970-06-01) or `age` (whole years today), and `body_site` (a SNOMED CT code).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from tocsin.sandbox.demo.ward import Case, Facts
from tocsin.sandbox.errors import SandboxError

FACTS_FILE: Final = "pictures.csv"
COLUMNS: Final = ("file", "sex", "birth_date", "age", "body_site")
SUFFIXES: Final = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
MAGIC: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
SEXES: Final = ("female", "male", "other", "unknown")
"""FHIR R4 AdministrativeGender."""
AGE_MAX: Final = 125
PICTURES_MAX: Final = 1000
SHOWN_MAX: Final = 10
"""Most files or lines named in one sentence."""

_SNOMED_CODE = re.compile(r"^[1-9][0-9]{5,17}$")
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


class PicturesUnusable(SandboxError):
    """The folder of --images cannot be shown as it is."""


@dataclass(slots=True)
class Gathered:
    """The pictures that the demo shows, and a sentence on each that it leaves out."""

    cases: list[Case] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def gather(folder: Path, count: int | None, modality: str, today: date) -> Gathered:
    """The first `count` pictures below the folder by their path (PICTURES_MAX, if None), each stated to be of `modality`.

    Hidden files are not looked at. A file that has only a picture's name is shown, and Tocsin refuses it. Raises PicturesUnusable where
    there is none, or pictures.csv has wrong lines.
    """
    found = _found(folder)
    facts = _facts_of(folder, {name for name, _ in found.pictures}, today)
    gathered = Gathered(left_out=found.sentences())
    shown = found.pictures[: count or PICTURES_MAX]
    if count is None and len(found.pictures) > len(shown):
        gathered.left_out.append(f"{len(found.pictures) - len(shown)} pictures behind the first {PICTURES_MAX}: the demo shows no more")
    for number, (name, media_type) in enumerate(shown):
        known = facts.get(name, Facts())
        gathered.cases.append(
            Case(number, folder / name, media_type, modality, patient=number, claimed_patient=number, facts=known, file=name)
        )
    if not gathered.cases:
        raise PicturesUnusable("; ".join([f"{folder} holds no {', '.join(SUFFIXES)} file that can be read", *gathered.left_out]))
    return gathered


@dataclass(slots=True)
class _Found:
    pictures: list[tuple[str, str]] = field(default_factory=list)
    """Each picture's path below the folder, and its media type."""
    others: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        kinds = {
            f"that are no {', '.join(SUFFIXES)}": self.others,
            "that are empty": self.empty,
            "that cannot be read": self.unreadable,
        }
        return [f"{len(names)} file(s) or folder(s) {what}: {some(names)}" for what, names in kinds.items() if names]


def _found(folder: Path) -> _Found:
    found = _Found()
    for path in sorted(_files(folder, found), key=lambda path: path.as_posix()):
        name = path.relative_to(folder).as_posix()
        if name == FACTS_FILE:
            continue
        if path.suffix.lower() not in SUFFIXES:
            found.others.append(name)
            continue
        try:
            head = _head(path)
        except OSError as error:
            found.unreadable.append(f"{name} ({error.strerror or type(error).__name__})")
            continue
        if not head:
            found.empty.append(name)
            continue
        stated = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), SUFFIXES[path.suffix.lower()])
        found.pictures.append((name, stated))
    return found


def _files(folder: Path, found: _Found) -> Iterator[Path]:
    def away(error: OSError) -> None:
        found.unreadable.append(f"{Path(error.filename).relative_to(folder).as_posix()} ({error.strerror})")

    for place, folders, files in os.walk(folder, onerror=away):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (Path(place) / each for each in files if not each.startswith("."))


def _head(path: Path) -> bytes:
    """The file's first bytes; none of a pipe or the like, since opening one could wait for ever."""
    if not path.is_file():
        path.stat()  # a link that leads nowhere says so
        raise OSError(0, "not a file")
    with path.open("rb") as file:
        return file.read(8)


def _facts_of(folder: Path, pictures: set[str], today: date) -> Mapping[str, Facts]:
    path = folder / FACTS_FILE
    if not path.exists():
        return {}
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PicturesUnusable(f"{FACTS_FILE} cannot be read as UTF-8 text ({type(error).__name__})") from None
    rows = csv.DictReader(lines, delimiter=";" if lines and lines[0].count(";") > lines[0].count(",") else ",")
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    if "file" not in rows.fieldnames or len(rows.fieldnames) == 1:
        raise PicturesUnusable(f"{FACTS_FILE}: its first line names {', '.join(rows.fieldnames) or 'no column'}; wanted {_wanted()}")
    return _read(rows, pictures, today)


def _wanted() -> str:
    return f"`file` and any of {', '.join(COLUMNS[1:])}, for example file,sex,birth_date,body_site"


def _read(rows: csv.DictReader[str], pictures: set[str], today: date) -> Mapping[str, Facts]:
    facts: dict[str, Facts] = {}
    wrong: list[str] = []
    for row in rows:
        values = {name: value.strip() for name, value in row.items() if name in COLUMNS and isinstance(value, str)}
        name = values.get("file", "").replace("\\", "/").removeprefix("./")
        try:
            if None in row:
                raise ValueError("it has more values than the first line has names")
            if name not in pictures:
                raise ValueError(f"there is no picture {name or 'without a name'} that can be read in the folder")
            if name in facts:
                raise ValueError(f"{name} has a line already")
            facts[name] = _facts(values, today)
        except ValueError as error:
            wrong.append(f"line {rows.line_num}: {error}")
    if wrong:
        raise PicturesUnusable(f"{FACTS_FILE} has {len(wrong)} wrong line(s), and nothing was shown: {some(wrong, '; ')}")
    return facts


def _facts(values: Mapping[str, str], today: date) -> Facts:
    sex, site = values.get("sex", "").lower(), values.get("body_site", "")
    if sex and sex not in SEXES:
        raise ValueError(f"sex {sex!r} is none of {', '.join(SEXES)}")
    if site and _SNOMED_CODE.match(site) is None:
        raise ValueError(f"body_site {site!r} is no SNOMED CT code like 22943007 (trunk)")
    return Facts(sex or None, _born(values.get("birth_date", ""), values.get("age", ""), today), site or None)


def _born(birth_date: str, age: str, today: date) -> date | None:
    """The date of birth: the stated one, or the one of a person who reaches the stated age today."""
    if birth_date and age:
        raise ValueError("it has both birth_date and age: give one")
    if age:
        if not age.isascii() or not age.isdigit() or int(age) > AGE_MAX:
            raise ValueError(f"age {age!r} is no whole number of years from 0 to {AGE_MAX}")
        year = today.year - int(age)
        return today.replace(year=year, day=28 if (today.month, today.day) == (2, 29) else today.day)
    if not birth_date:
        return None
    try:
        born = date.fromisoformat(birth_date) if _DAY.match(birth_date) else None
    except ValueError:
        born = None
    if born is None or not 0 <= (today - born).days <= (AGE_MAX + 1) * 366:
        raise ValueError(f"birth_date {birth_date!r} is no day of the last {AGE_MAX} years like 1970-06-01")
    return born


def some(names: Sequence[str], between: str = ", ") -> str:
    """At most SHOWN_MAX of the names as text, and how many more there are."""
    more = len(names) - SHOWN_MAX
    return between.join(names[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
