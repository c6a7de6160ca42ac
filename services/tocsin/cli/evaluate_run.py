"""Does what `tocsin evaluate` asks for: rows -> scores -> figures -> report."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.bootstrap import learn as bootstrap
from tocsin.cli.evaluate_output import Outcome, tell
from tocsin.clock import utc_now
from tocsin.errors import ConfigurationError, Stop
from tocsin.learning.about import Told, about, flow, malignant_classes, point
from tocsin.learning.evaluation import evaluated
from tocsin.learning.labels_csv import NOT_READ, Labels, RefusedRow, read_labels
from tocsin.learning.labels_words import LabelsMapping, read_mapping
from tocsin.learning.pictures import Folder as Files
from tocsin.learning.scores import FILE, Appending, Header, Tally, read_scores, sha256_of, tally
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.paper.go_live import written
from tocsin.settings import Settings, reading
from tocsin.telemetry.log import set_up_logs
from tocsin.terminal import Progress, plain, say, terminal

REFUSED: Final = "refused.csv"
TRITON: Final = "TOCSIN_TRITON__GRPC_URL"
SAID_MAX: Final = 10
"""Most rows that are named on standard error."""


class NothingToEvaluate(Stop):
    """No assessable picture has a label."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Labelled pictures of a folder."""

    images: Path
    labels: Path
    mapping: Path | None
    modality: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of `tocsin evaluate` ask for."""

    folder: Folder | None
    scores: Path | None
    out: Path
    how_chosen: str
    target: float
    confidence: float
    as_json: bool


def run(wish: Wish) -> None:
    """Evaluate, write the report and tell the main figures. Raises Stop and Deferred."""
    read = reading()
    settings = read.settings
    set_up_logs(settings.log.model_copy(update={"level": "warning"}))
    card, progress = read_card(settings.model.card), terminal()
    mapping = read_mapping(wish.folder.mapping) if wish.folder and wish.folder.mapping else LabelsMapping()
    if wish.folder is not None:
        triton = None if read.sources[TRITON] == "default" else settings
        _score(wish.folder, mapping, wish.out / FILE, _House(settings, triton, card, progress))
    scores = wish.scores or wish.out / FILE
    with progress.step("reading the scores"):
        header, rows = read_scores(scores)
        found = tally(rows)
    if not len(found.cases):
        raise NothingToEvaluate(f"no assessable picture has a label ({_reasons(found) or 'there is none at all'}): nothing can be said")
    told = Told(settings.report.source, wish.how_chosen, mapping.skin_tone_source or "", sha256_of(scores), utc_now())
    with progress.step("making the report"):
        evaluation = evaluated(
            found.cases,
            flow(found),
            about(header, card, told),
            point(card.operating_point, wish.target, wish.confidence),
            agreement=found.agreement,
        )
        files = written(evaluation, wish.out)
    tell(Outcome(found, evaluation, files, scores), as_json=wish.as_json)


@dataclass(frozen=True, slots=True)
class _House:
    settings: Settings
    triton: Settings | None
    """The settings, where they name a Triton."""
    card: ModelCard
    progress: Progress


def _score(folder: Folder, mapping: LabelsMapping, file: Path, house: _House) -> None:
    """Have every picture judged that has no score yet."""
    labels = read_labels(folder.labels, folder.images, house.card.facts, mapping)
    with Appending.opened(file, _header(folder, labels, house), again=NOT_READ) as scores:
        _tell_refused(labels, file.with_name(REFUSED))
        for refused in labels.refused:
            scores.add(refused.scored)
        left = [each for each in labels.rows if each.said.picture not in scores.done]
        if len(left) < len(labels.rows):
            say(f"going on with {file}: {len(labels.rows) - len(left)} pictures have been judged")
        if not left:
            return
        files = Files(folder.modality, house.settings.image.content_bytes_max, utc_now)
        with (
            _served(house) as settings,
            bootstrap.judging(settings, house.card) as judging,
            house.progress.step("judging pictures", total=len(left)) as step,
        ):
            for scored in judging.scored(map(files.asked, left)):
                scores.add(scored)
                step.advance(1)


def _header(folder: Folder, labels: Labels, house: _House) -> Header:
    return Header(
        model=str(house.card.model),
        card_sha256=sha256_of(house.settings.model.card),
        served_sha256=house.card.provenance.served_sha256,
        modality=folder.modality,
        source="folder",
        labels_sha256=labels.sha256,
        malignant_classes=malignant_classes(house.card),
        made_at=utc_now(),
    )


@contextmanager
def _served(house: _House) -> Iterator[Settings]:
    """Settings that name a Triton: the site's, or one that lives as long as the block and serves the reference model."""
    if house.triton is not None:
        yield house.triton
        return
    reference = read_card(packaged(REFERENCE_CARD))
    if house.card.provenance.served_sha256 != reference.provenance.served_sha256:
        raise ConfigurationError(f"the card is of {house.card.model}, and only the reference model is served by itself: set {TRITON}")
    try:
        from tocsin.sandbox.artifacts import cache_folder  # comes with the sandbox extra alone
        from tocsin.sandbox.served import reference_served
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"no Triton is named, and to start one needs {missing.name}: set {TRITON}, or install tocsin with its sandbox extra"
        ) from None
    with reference_served(cache_folder(os.environ), house.progress) as grpc_url:
        triton = house.settings.triton.model_copy(update={"grpc_url": grpc_url, "tls": False})
        yield house.settings.model_copy(update={"triton": triton})


def _tell_refused(labels: Labels, file: Path) -> None:
    """Write the list of rows that were not read, and name the first ones."""
    for remark in labels.remarks:
        say(plain(remark))
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(("row", "reason", "meaning"))
            rows.writerows((each.row, each.reason, NOT_READ[each.reason]) for each in labels.refused)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written ({error.strerror})") from None
    if labels.refused:
        say(f"{len(labels.refused)} rows were not read, all in {file}: {_named(labels.refused)}")


def _named(refused: Sequence[RefusedRow]) -> str:
    more = len(refused) - SAID_MAX
    return ", ".join(f"row {each.row} {each.reason}" for each in refused[:SAID_MAX]) + (f" and {more} more" if more > 0 else "")


def _reasons(found: Tally) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in found.refused.items())
