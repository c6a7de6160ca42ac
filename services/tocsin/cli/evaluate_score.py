"""Has labelled pictures judged for `tocsin evaluate`, on the site's Triton or on one of its own, and keeps the scores."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from tocsin.bootstrap import learn as bootstrap
from tocsin.clock import utc_now
from tocsin.errors import ConfigurationError
from tocsin.learning.about import malignant_classes
from tocsin.learning.flagged import sha256_of_rows
from tocsin.learning.labels_bus import sha256_of_labels
from tocsin.learning.labels_csv import JUDGEMENT_UNKNOWN, NOT_READ, RefusedRow, read_labels
from tocsin.learning.labels_words import LabelsMapping, read_mapping
from tocsin.learning.pictures import Folder as Files
from tocsin.learning.pictures import of_media
from tocsin.learning.run import Asked
from tocsin.learning.scores import Appending, Header, Source
from tocsin.learning.types import Scored
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.settings import Settings
from tocsin.site.file import card_sha256, input_gate_of
from tocsin.site.gate import gate_sha256
from tocsin.terminal import Progress, plain, say, seconds

REFUSED: Final = "refused.csv"
TRITON: Final = "TOCSIN_TRITON__GRPC_URL"
SAID_MAX: Final = 10
"""Most rows that are named on standard error."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Labelled pictures of a folder."""

    images: Path
    labels: Path
    mapping: Path | None
    modality: str


@dataclass(frozen=True, slots=True)
class Record:
    """Pictures of the FHIR server of which pathology or a clinician spoke."""

    mapping: Path | None


@dataclass(frozen=True, slots=True)
class Bus:
    """Pictures of which flags on the bus tell the score."""

    mapping: Path | None
    since: datetime | None
    """From when on they were judged, aware; None: from the first flag on."""


@dataclass(frozen=True, slots=True)
class House:
    """What judges."""

    settings: Settings
    card: ModelCard
    """As it is used here: its site's input gate, where it has one, refuses pictures; scores are the model's own."""
    progress: Progress
    has_triton: bool
    """Whether the settings name a Triton."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be judged."""

    header: Header
    asked: Sequence[Asked]
    refused: Sequence[RefusedRow] = ()
    judged: Sequence[Scored] = ()
    """What was judged already."""


def score(wanted: Folder | Record | Bus, how_chosen: str, file: Path, house: House) -> None:
    """Have every picture judged that has no score in the file yet. Raises Stop, and Deferred where a server stays away."""
    work = _work(wanted, house)
    told = work.header.model_copy(update={"how_chosen": how_chosen})
    with Appending.opened(file, told, again=NOT_READ) as scores:
        _tell_refused(work.refused, file.with_name(REFUSED))
        for refused in work.refused:
            scores.add(refused.scored)
        for each in work.judged:
            if each.picture not in scores.done:
                scores.add(each)
        left = [each for each in work.asked if each.said.picture not in scores.done]
        if len(left) < len(work.asked):
            say(f"going on with {file}: {len(work.asked) - len(left)} pictures have been judged")
        if left:
            _judge(left, scores, house)


def _judge(left: Sequence[Asked], scores: Appending, house: House) -> None:
    with (
        _served(house) as settings,
        bootstrap.judging(settings, house.card) as judging,
        house.progress.step("judging pictures", total=len(left)) as step,
    ):
        for scored in judging.scored(left):
            scores.add(scored)
            step.advance(1)


def _work(wanted: Folder | Record | Bus, house: House) -> _Work:
    match wanted:
        case Folder():
            return _of_folder(wanted, house)
        case Record():
            return _of_record(wanted, house)
        case Bus():
            return _of_bus(wanted, house)


def _of_folder(folder: Folder, house: House) -> _Work:
    mapping = _mapping(folder.mapping)
    labels = read_labels(folder.labels, folder.images, house.card.facts, mapping)
    for remark in labels.remarks:
        say(plain(remark))
    files = Files(folder.modality, house.settings.image.content_bytes_max, utc_now)
    header = _header("folder", folder.modality, labels.sha256, house)
    told = {"skin_tone_source": mapping.skin_tone_source or "", "images_sha256": sha256(os.fsencode(folder.images.resolve())).hexdigest()}
    return _Work(header.model_copy(update=told), [files.asked(each) for each in labels.rows], labels.refused)


def _of_record(record: Record, house: House) -> _Work:
    with house.progress.step("reading what was said of pictures"):
        found = bootstrap.labels_of_record(house.settings, house.card, _mapping(record.mapping).findings)
    pictures = bootstrap.pictures_of_record(house.settings)
    asked = [of_media(each, pictures, house.card.facts, utc_now) for each in found]
    return _Work(_header("fhir", "", sha256_of_labels(found), house), asked)


def _of_bus(bus: Bus, house: House) -> _Work:
    with house.progress.step("reading flags and what was said of them"):
        found = bootstrap.scores_of_bus(house.settings, _mapping(bus.mapping).findings, bus.since)
    header = _header("bus", "", sha256_of_rows(found.rows), replace(house, card=found.card))
    if found.since is not None:
        say(f"flags count that were judged since {seconds(found.since)}")
    lost = sum(each.refusal == JUDGEMENT_UNKNOWN for each in found.rows)
    if lost:
        say(f"{lost} labels are left out: no flag by {header.model} and the site file in use tells what was made of their pictures")
    return _Work(header, (), judged=found.rows)


def _mapping(file: Path | None) -> LabelsMapping:
    return LabelsMapping() if file is None else read_mapping(file)


def _header(source: Source, modality: str, labels_sha256: str, house: House) -> Header:
    return Header(
        model=str(house.card.model),
        card_sha256=card_sha256(house.card),
        served_sha256=house.card.provenance.served_sha256,
        modality=modality,
        source=source,
        labels_sha256=labels_sha256,
        malignant_classes=malignant_classes(house.card),
        input_gate_sha256=gate_sha256(input_gate_of(house.card)),
        made_at=utc_now(),
    )


@contextmanager
def _served(house: House) -> Iterator[Settings]:
    """Settings that name a Triton: the site's, or one that lives as long as the block and serves the reference model."""
    if house.has_triton:
        yield house.settings
        return
    other = f"the card is of {house.card.model}, and only the reference model is served by itself: set {TRITON}"
    if house.card.name != read_card(packaged(REFERENCE_CARD)).name:
        raise ConfigurationError(other)
    try:
        from tocsin.sandbox.artifacts import cache_folder  # comes with the sandbox extra alone
        from tocsin.sandbox.served import reference_edition, reference_served
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"no Triton is named, and to start one needs {missing.name}: set {TRITON}, or install tocsin with its sandbox extra"
        ) from None
    edition = reference_edition(house.card)
    if edition is None:
        raise ConfigurationError(other)
    with reference_served(cache_folder(os.environ), house.progress, edition) as grpc_url:
        triton = house.settings.triton.model_copy(update={"grpc_url": grpc_url, "tls": False})
        yield house.settings.model_copy(update={"triton": triton})


def _tell_refused(refused: Sequence[RefusedRow], file: Path) -> None:
    """Write the list of rows that were not read, and name the first ones."""
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(("row", "reason", "meaning"))
            rows.writerows((each.row, each.reason, NOT_READ[each.reason]) for each in refused)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written ({error.strerror})") from None
    if refused:
        say(f"{len(refused)} rows were not read, all in {file}: {_named(refused)}")


def _named(refused: Sequence[RefusedRow]) -> str:
    more = len(refused) - SAID_MAX
    return ", ".join(f"row {each.row} {each.reason}" for each in refused[:SAID_MAX]) + (f" and {more} more" if more > 0 else "")
