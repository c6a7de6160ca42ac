"""The file of scores: what the model answered on labelled pictures, kept so that it can be evaluated again without the model.

JSON Lines in UTF-8: a header, then a line for each picture (`Scored`). It holds ids, codes and numbers. Lines are only ever added; the one
that a killed process left half written is passed over, and cut off before the next is added.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self

import numpy as np
import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tocsin.errors import ConfigurationError
from tocsin.learning.types import WEIGHT_MAX, Bools, Cases, Floats, LabelKind, Scored
from tocsin.model_card import Sha256

FILE: Final = "scores.jsonl"
"""The file's name in a folder that `tocsin evaluate` writes."""
LINE_BYTES_MAX: Final = 65_536

Source = Literal["folder", "fhir", "bus"]
"""Where the pictures came from: a folder with a list of labels, the FHIR server, or Tocsin's own flags."""


class Header(BaseModel):
    """What all scores of one file have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tocsin_scores: Literal[1] = 1
    model: str = Field(description="Name and version, as the card has them: sklesion/1.")
    card_sha256: Sha256
    served_sha256: Sha256 = Field(description="Of the network, as the card has it.")
    modality: str = Field(description="DICOM modality code that was said of every picture; empty where each Media stated its own.")
    source: Source
    labels_sha256: Sha256 = Field(description="Of the list of labels and how its words were read.")
    malignant_classes: tuple[str, ...] = Field(description="The card's classes of which the score is the sum.")
    input_gate_sha256: Sha256 | Literal[""] = Field(
        "", description="Of the site's input gate by which pictures were refused (tocsin.site.gate.gate_sha256); empty: there was none."
    )
    images_sha256: Sha256 | Literal[""] = Field("", description="Of the path of the folder of pictures; empty: none, or not noted.")
    made_at: AwareDatetime
    how_chosen: str = Field("", description="How the pictures were chosen, in the words of whoever did; empty: not told.")
    skin_tone_source: str = Field("", description="By which scale skin tone is stated, and by whom; empty: not told.")

    def differs_from(self, other: Header) -> tuple[str, ...]:
        """Names of what keeps the other's scores from being this one's: everything but the time and what people told."""
        mine, others = (each.model_dump(exclude={"made_at", "how_chosen", "skin_tone_source"}) for each in (self, other))
        noted = mine.keys() - ({"images_sha256"} if "" in (self.images_sha256, other.images_sha256) else set())
        return tuple(name for name, value in mine.items() if name in noted and others[name] != value)


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything that a file of scores holds, in columns and counts."""

    cases: Cases
    """The assessable pictures whose label speaks of what the lesion is: pathology, follow-up, stated. Where an audit sample has weights,
    without those whose label was sought with a probability that nobody knows: the sample stands for them too."""
    agreement: Cases
    """The assessable pictures whose label is a clinician's verdict alone, which is no truth."""
    unlabelled: Floats
    """Scores of the assessable pictures without a label, which are never benign."""
    pictures: int
    """All lines."""
    refused: Mapping[str, int]
    """Reason code -> how many pictures have no score, labelled or not."""
    refused_malignant: int
    """How many of them have a label that speaks of what the lesion is, and says malignant."""
    kinds: Mapping[LabelKind, int]
    """Kind of the label -> how many assessable pictures."""
    labelled: tuple[date, date] | None
    """Days of the earliest and the latest label, verdicts aside, which come at once; None where none states its day."""
    days: Mapping[LabelKind, tuple[date, date]] = field(default_factory=dict)
    """The same for each kind of label, verdicts too, of those that state a day."""
    unsought: int = 0
    """Pictures below threshold whose label speaks of what the lesion is, and was sought with a probability that nobody knows."""
    unsought_malignant: int = 0
    read_alone: int = 0
    """Pictures of the audit sample of which a clinician spoke, and neither pathology nor follow-up."""

    @property
    def assessable(self) -> int:
        """How many pictures have a score."""
        return self.pictures - sum(self.refused.values())


def read_scores(path: Path) -> tuple[Header, Iterator[Scored]]:
    """The header and, one after the other, the scores of a file. Raises ConfigurationError, the iterator too, naming the line."""
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise ConfigurationError(f"{path} is empty: it is no file of scores")
    return _header(path, first), (_scored(path, number, line) for number, line in enumerate(lines, 2))


def write_scores(path: Path, header: Header, rows: Iterable[Scored]) -> None:
    """Write a whole file of scores. Raises ConfigurationError where it cannot be written."""
    with Appending.opened(path, header) as writer:
        for row in rows:
            writer.add(row)


class Appending:
    """Adds scores to a file. For one thread; each line reaches the system before `add` returns, so that a killed process loses none."""

    def __init__(self, path: Path, file: BinaryIO, done: frozenset[str]) -> None:
        self._path = path
        self._file = file
        self.done = done
        """The pictures that the file held when it was opened."""

    @classmethod
    def opened(cls, path: Path, header: Header, again: Collection[str] = ()) -> Appending:
        """The file, begun where it is missing, gone on with where it holds scores of the same kind.

        Pictures that were refused for a reason of `again` are taken out, to be tried once more. Raises ConfigurationError where it holds
        others, is damaged, or cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _alone(path)
            try:
                begun = _cut(path) > 0
                done = _done(path, header, again) if begun else frozenset()
                if not os.path.samestat(os.fstat(file.fileno()), path.stat()):  # it was written anew: another file has the name now
                    before, file = file, _alone(path)
                    before.close()
                if not begun:
                    file.write(_line(header.model_dump(mode="json")))
            except BaseException:  # whoever called: nobody else closes it
                file.close()
                raise
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written ({error.strerror})") from None
        return cls(path, file, done)

    def add(self, row: Scored) -> None:
        """Add a picture's line. Raises ConfigurationError where the file cannot be written."""
        try:
            self._file.write(_line(_said(row)))
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written ({error.strerror}); run the command again to go on") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()


def cases_of(rows: Iterable[Scored]) -> Cases:
    """The assessable pictures whose label speaks of what the lesion is, as columns; verdicts are none (see `Tally`)."""
    return tally(rows).cases


def tally(rows: Iterable[Scored]) -> Tally:
    """What the rows hold, read once; memory grows by some 100 bytes a row."""
    counting = _Counting()
    for row in rows:
        counting.take(row)
    return counting.tally()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file. Raises ConfigurationError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})") from None


class _Words:
    """One column of words, each word kept once."""

    def __init__(self, rows: int) -> None:
        self._codes = array("i", bytes(4 * rows))
        self._known: dict[str, int] = {"": 0}

    def put(self, row: int, word: str) -> None:
        """Say the word of the row; of the rows between, that nothing is known."""
        self._codes.extend([0] * (row - len(self._codes)))
        self._codes.append(self._known.setdefault(word, len(self._known)))

    def column(self, rows: int) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        self._codes.extend([0] * (rows - len(self._codes)))
        return np.array(list(self._known), dtype=np.str_)[np.frombuffer(self._codes, dtype=np.int32)]


class _Numbers:
    """Gives alike names one number, and pictures without any name a number each."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._alone = 0

    def of(self, row: Scored) -> int:
        named = f"patient {row.patient}" if row.patient else f"lesion {row.lesion}" if row.lesion else None
        if named is None:
            self._alone -= 1
            return self._alone
        return self._known.setdefault(hashlib.blake2b(named.encode(), digest_size=8).digest(), len(self._known))


class _Columns:
    def __init__(self, numbers: _Numbers) -> None:
        self._numbers = numbers
        self._scores, self._malignant, self._weights, self._clusters = array("d"), bytearray(), array("d"), array("q")
        self._groups: dict[str, _Words] = {}
        self._sought = bytearray()

    def take(self, row: Scored, score: float, malignant: bool) -> None:
        at = len(self._scores)
        for name, value in row.groups.items():
            if name not in self._groups:
                self._groups[name] = _Words(at)
            self._groups[name].put(at, value)
        self._scores.append(score)
        self._malignant.append(malignant)
        self._weights.append(row.weight)
        self._sought.append(row.sought)
        self._clusters.append(self._numbers.of(row))

    def cases(self) -> Cases:
        return Cases(
            np.frombuffer(self._scores, dtype=np.float64),
            np.frombuffer(self._malignant, dtype=np.bool_),
            np.frombuffer(self._clusters, dtype=np.int64),
            np.frombuffer(self._weights, dtype=np.float64),
            {name: words.column(len(self._scores)) for name, words in self._groups.items()},
        )

    @property
    def sought(self) -> Bools:
        return np.frombuffer(self._sought, dtype=np.bool_)


class _Counting:
    def __init__(self) -> None:
        numbers = _Numbers()
        self._truths, self._verdicts, self._unlabelled = _Columns(numbers), _Columns(numbers), array("d")
        self._refused: Counter[str] = Counter()
        self._kinds: Counter[LabelKind] = Counter()
        self._pictures = self._refused_malignant = 0
        self._days: dict[LabelKind, tuple[date, date]] = {}
        self._read_alone = 0

    def take(self, row: Scored) -> None:
        self._pictures += 1
        if row.score is None:
            self._refused[row.refusal or "unknown"] += 1
            self._refused_malignant += row.malignant is True and row.label_kind != "verdict"
        elif row.malignant is None:
            self._unlabelled.append(row.score)
        else:
            (self._verdicts if row.label_kind == "verdict" else self._truths).take(row, row.score, row.malignant)
            self._kinds[row.label_kind] += 1
            self._read_alone += row.label_kind == "verdict" and row.sought and row.weight > 1
            self._labelled(row.label_kind, row.labelled_on)

    def _labelled(self, kind: LabelKind, on: date | None) -> None:
        if on is not None:
            first, last = self._days.get(kind, (on, on))
            self._days[kind] = min(first, on), max(last, on)

    def tally(self) -> Tally:
        cases, sought = self._truths.cases(), self._truths.sought
        audited = len(cases) > 0 and bool((cases.weights[sought] > 1).any())
        return Tally(
            cases=cases.where(sought) if audited and not sought.all() else cases,
            agreement=self._verdicts.cases(),
            unlabelled=np.frombuffer(self._unlabelled, dtype=np.float64),
            pictures=self._pictures,
            refused=dict(sorted(self._refused.items())),
            refused_malignant=self._refused_malignant,
            kinds=dict(self._kinds),
            labelled=_whole([days for kind, days in self._days.items() if kind != "verdict"]),
            days=self._days,
            unsought=int((~sought).sum()),
            unsought_malignant=int(cases.malignant[~sought].sum()),
            read_alone=self._read_alone,
        )


def _whole(days: Collection[tuple[date, date]]) -> tuple[date, date] | None:
    return (min(first for first, _ in days), max(last for _, last in days)) if days else None


_ROW: Final = TypeAdapter(Scored)


def _lines(path: Path) -> Iterator[bytes]:
    """The file's whole lines; the last one only where it was written to its end."""
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                if line.endswith(b"\n"):
                    yield line
                elif len(line) == LINE_BYTES_MAX:
                    raise ConfigurationError(f"{path} has a line of more than {LINE_BYTES_MAX} bytes: it is no file of scores")
    except OSError as error:
        raise ConfigurationError(f"the file of scores {path} cannot be read ({error.strerror})") from None


def _header(path: Path, line: bytes) -> Header:
    try:
        return Header.model_validate_json(line)
    except ValidationError as error:
        names = ", ".join(sorted({".".join(map(str, each["loc"])) or "the line" for each in error.errors()}))
        raise ConfigurationError(
            f"{path} does not begin with the header of a file of scores ({names}): `tocsin evaluate` writes one"
        ) from None


def _scored(path: Path, number: int, line: bytes) -> Scored:
    with suppress(ValidationError):
        row = _ROW.validate_json(line)
        if _is_possible(row):
            return row
    raise ConfigurationError(f"{path}, line {number}, is no score of a picture: take a file that `tocsin evaluate` wrote")


def _is_possible(row: Scored) -> bool:
    known = row.score is None or 0 <= row.score <= 1
    return known and (row.score is None) == (row.refusal is not None) and 1 <= row.weight <= WEIGHT_MAX


def _done(path: Path, header: Header, again: Collection[str]) -> frozenset[str]:
    """The pictures that the file holds. Raises ConfigurationError where its scores are of another kind."""
    found, rows = read_scores(path)
    differing = header.differs_from(found)
    if differing:
        raise ConfigurationError(
            f"{path} holds scores with another {_listed(differing)}: choose another folder for --out, or move that file away; "
            "`--scores` evaluates it as it is"
        )
    pictures = [(row.picture, row.refusal in again) for row in rows]
    if any(is_out for _, is_out in pictures):
        _rewrite(path, found, again)
    return frozenset(picture for picture, is_out in pictures if not is_out)


def _rewrite(path: Path, header: Header, again: Collection[str]) -> None:
    """Take the pictures out that were refused for such a reason: the whole file is replaced at once."""
    incoming = path.with_name(f".{path.name}.incoming")
    with incoming.open("wb") as file:
        file.write(_line(header.model_dump(mode="json")))
        file.writelines(_line(_said(row)) for row in read_scores(path)[1] if row.refusal not in again)
    incoming.replace(path)


def _alone(path: Path) -> BinaryIO:
    """The file, for whoever adds to it and for nobody else. Raises ConfigurationError where another process does, OSError."""
    file = path.open("ab", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except BlockingIOError:
        pass
    file.close()
    raise ConfigurationError(f"another `tocsin evaluate` is writing {path}: wait for it, or choose another folder for --out")


def _cut(path: Path) -> int:
    """Cut a torn last line off, and say how many bytes are left."""
    with path.open("rb+") as file:
        kept = file.seek(max(0, file.seek(0, os.SEEK_END) - LINE_BYTES_MAX))
        return file.truncate(kept + file.read().rfind(b"\n") + 1)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(name.replace("_", " ") for name in names)


def _said(row: Scored) -> dict[str, object]:
    """The row without what holds by itself."""
    said: dict[str, object] = {"picture": row.picture, "score": row.score, "malignant": row.malignant, "label_kind": row.label_kind}
    said |= {name: value for name in ("refusal", "labelled_on", "patient", "lesion") if (value := getattr(row, name)) is not None}
    said |= ({} if row.weight == 1 else {"weight": row.weight}) | ({} if row.sought else {"sought": False})
    return said | ({"groups": dict(row.groups)} if row.groups else {})


def _line(said: Mapping[str, object]) -> bytes:
    return orjson.dumps(said) + b"\n"
