"""Folders of pictures -> the network's features of each."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.errors import ConfigurationError, ContractError, Refused
from tocsin.fidelity.check import ASKED_AT_ONCE
from tocsin.fidelity.make import names_below
from tocsin.image.decode import decode
from tocsin.image.quality import assess
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.inference.ports import Classifier
from tocsin.learning.gate.train import RIGHT, Seen, named
from tocsin.learning.labels_csv import paths_below
from tocsin.learning.labels_table import Record, read_table, value_of
from tocsin.learning.labels_words import NOTHING
from tocsin.model_card import ModelCard
from tocsin.terminal import Progress

LABELS: Final = "labels.csv"
SAME: Final = ("patient_id", "lesion_id")
"""Columns of LABELS that say which pictures are of the same patient or lesion; of each row the first that names one is taken."""
TONE: Final = "skin_tone"
PICTURES_MAX: Final = 20_000
"""Of 2,048 features each they take 0.2 GB, and training three times that again."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Who is asked for features, and how large a picture may be."""

    classifier: Classifier
    card: ModelCard
    pixels_max: int


@dataclass(frozen=True, slots=True)
class Looked:
    """The features of pictures, and why others have none."""

    seen: Seen
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason -> how many: whatever the journey would refuse before it asked the model."""


@dataclass(frozen=True, slots=True)
class _One:
    folder: Path
    name: str
    kind: str
    same: str
    """What of LABELS names its patient or lesion; empty where nothing does."""
    tone: str


def looked_at(right: Path, wrong: Sequence[Path], looking: Looking, progress: Progress) -> Looked:
    """Ask for the features of every JPEG and PNG picture below the folders; hidden files are not looked at.

    Where a folder has a LABELS with a column `file` and one of SAME, pictures that it says belong together stay together, also across
    folders; so do equal files. Its column TONE tells for whom false refusals are counted apart. Raises ConfigurationError where a folder
    or its LABELS cannot be used, and what Classifier.classify raises.
    """
    kinds = [RIGHT, *_names_of(wrong)]
    ones = [one for folder, kind in zip((right, *wrong), kinds, strict=True) for one in _ones(folder, kind)]
    if len(ones) > PICTURES_MAX:
        raise ConfigurationError(f"the folders hold {len(ones)} pictures, and at most {PICTURES_MAX} are taken: take a part of them")
    with (
        progress.step("looking at pictures", total=len(ones)) as step,
        ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="gate-pictures") as threads,
    ):
        found = []
        for each in threads.map(partial(_features, looking), ones):
            found.append(each)
            step.advance(1)
    return _together(ones, found)


def _together(ones: Sequence[_One], found: Sequence[tuple[str, npt.NDArray[np.float32] | str]]) -> Looked:
    left_out = Counter(each for _content, each in found if isinstance(each, str))
    kept = [(one, content, each) for one, (content, each) in zip(ones, found, strict=True) if not isinstance(each, str)]
    if not kept:
        raise ConfigurationError("the folders hold no picture that Tocsin can judge")
    kind_of: dict[str, str] = {}
    for one, content, _features in kept:
        if (kind_of.setdefault(content, one.kind) == RIGHT) is not (one.kind == RIGHT):
            raise ConfigurationError(f"picture {content[:12]} lies both among those of the model's own kind and among others: keep one")
    lesions = _lesions([(one.same, content) for one, content, _features in kept])
    taken, features = [one for one, *_ in kept], np.stack([each for *_, each in kept])
    return Looked(named(features, [one.kind for one in taken], lesions, [one.tone for one in taken]), left_out)


def _lesions(pictures: Sequence[tuple[str, str]]) -> list[str]:
    """The lesion of each picture, by what LABELS calls the same and by its content: whoever shares either belongs together."""
    joined: dict[tuple[str, str], tuple[str, str]] = {}

    def first(name: tuple[str, str]) -> tuple[str, str]:
        while (other := joined.setdefault(name, name)) != name:
            name = other
        return name

    for same, content in pictures:
        if same:
            joined[first(("content", content))] = first(("same", same))
    return [" ".join(first(("content", content))) for _same, content in pictures]


def _features(looking: Looking, one: _One) -> tuple[str, npt.NDArray[np.float32] | str]:
    """Its bytes' SHA-256, and its features or the reason why it has none."""
    try:
        content = (one.folder / one.name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"a picture of {one.folder} cannot be read ({error.strerror})") from None
    sha256, card = hashlib.sha256(content).hexdigest(), looking.card
    try:
        pixels = decode(content, pixels_max=looking.pixels_max, reduce_to_px=card.reduce_to_px, reference=f"picture {sha256[:12]}")
    except Refused as refused:
        return sha256, refused.reason
    if (obstacle := assess(pixels, card.accepts.quality)) is not None:
        return sha256, obstacle.reason
    features = looking.classifier.classify(image_tensor(pixels, card.image), PatientFacts()).features
    if features is None or not np.isfinite(features).all():
        raise ContractError(f"{card.model} answered no features: run `tocsin check`")
    return sha256, features.astype(np.float32)


def _ones(folder: Path, kind: str) -> Iterator[_One]:
    found = sorted(names_below(folder))
    if not found:
        raise ConfigurationError(f"{folder} holds no JPEG or PNG picture")
    labels = _labels(folder, frozenset(found))
    for name in found:
        yield _One(folder, name, kind, *labels.get(name, ("", "")))


def _labels(folder: Path, pictures: Collection[str]) -> Mapping[str, tuple[str, str]]:
    """Each of the pictures that LABELS names -> its patient or lesion, and its skin tone; nothing where there is no such list.

    Raises ConfigurationError where a row cannot be read, or two say different things of one file: what belongs together might be parted.
    """
    path = folder / LABELS
    if not os.path.lexists(path):
        return {}
    table, told = read_table(path), dict[str, tuple[str, str]]()
    if "file" not in table.header:
        raise ConfigurationError(f"{path} has no column file: name it so, or take the list out of the folder")
    for number, record in table.rows.items():
        said = (_same(record), _known(record, TONE)[:64])
        if number in table.too_long:
            raise ConfigurationError(f"{path}: row {number} has more values than the header has names")
        if any(told.setdefault(name, said) != said for name in _named(folder, value_of(record, "file")) if name in pictures):
            raise ConfigurationError(f"{path}: row {number} names a file of which a row before says other things")
    return told


def _same(record: Record) -> str:
    return next((f"{column}={name}" for column in SAME if (name := _known(record, column))), "")


def _known(record: Record, column: str) -> str:
    return "" if (word := value_of(record, column)).casefold() in NOTHING else word


def _named(folder: Path, name: str) -> Iterator[str]:
    """What `names_below` may call the file of that name."""
    return (path.relative_to(os.path.normpath(folder)).as_posix() for path in paths_below([folder], name.replace("\\", "/")) if name)


def _names_of(folders: Sequence[Path]) -> list[str]:
    """What a gate calls each folder's kind: the folder's own name, with a number where two have the same."""
    names = [folder.resolve().name[:48] or "other" for folder in folders]
    return [f"{name}-{at}" if names.count(name) > 1 else name for at, name in enumerate(names, start=1)]
