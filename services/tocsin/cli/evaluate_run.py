"""Does what `tocsin evaluate` asks for: scores -> figures -> report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tocsin.bootstrap.card import card_in_use
from tocsin.cli.evaluate_missed import photographed
from tocsin.cli.evaluate_output import Outcome, tell
from tocsin.cli.evaluate_score import TRITON, Bus, Folder, House, Record, score
from tocsin.clock import utc_now
from tocsin.errors import Stop
from tocsin.learning.about import Told, about, flow, here, point
from tocsin.learning.evaluation import evaluated
from tocsin.learning.scores import FILE, Tally, read_scores, sha256_of, tally
from tocsin.model_card import ModelCard, read_card
from tocsin.paper.go_live import Missed, written
from tocsin.settings import Settings, reading
from tocsin.site.file import localised, read_site_file
from tocsin.telemetry.log import set_up_logs
from tocsin.terminal import terminal


class NothingToEvaluate(Stop):
    """No assessable picture has a label."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options of `tocsin evaluate` ask for."""

    pictures: Folder | Record | Bus | None
    """None: a file of scores is given."""
    scores: Path | None
    site_file: Path | None
    """By which scores are read, and whose input gate is asked; None: the one in use, or the card alone where none is."""
    out: Path
    how_chosen: str
    target: float
    confidence: float
    as_json: bool
    language: str | None
    """Of the report; None: that of the settings."""
    shows_missed: bool
    """Whether the report shows the pictures of missed cancers."""


def run(wish: Wish) -> None:
    """Evaluate, write the report and tell the main figures. Raises Stop and Deferred."""
    read = reading()
    settings = read.settings
    set_up_logs(settings.log.model_copy(update={"level": "warning"}))
    card, progress = _card(settings, wish.site_file), terminal()
    if wish.pictures is not None:
        house = House(settings, card, progress, read.sources[TRITON] != "default")
        score(wish.pictures, wish.how_chosen, wish.out / FILE, house)
    scores = wish.scores or wish.out / FILE
    with progress.step("reading the scores"):
        header, rows = read_scores(scores)
        found = tally(here(rows, card))
    if not len(found.cases):
        raise NothingToEvaluate(f"no assessable picture has a label ({_reasons(found) or 'there is none at all'}): nothing can be said")
    told = Told(settings.report.source, wish.how_chosen, sha256_of(scores), utc_now())
    at = point(card.operating_point, wish.target, wish.confidence)
    with progress.step("making the report"):
        evaluation = evaluated(found.cases, flow(found), about(header, card, told), at, agreement=found.agreement)
        files = written(
            evaluation, wish.out, wish.language or settings.report.language, missed=_missed(wish, scores, card, at.threshold, settings)
        )
    tell(Outcome(found, evaluation, files, scores), as_json=wish.as_json)


def _card(settings: Settings, site_file: Path | None) -> ModelCard:
    """The card as it is used here, or by the site file that is given, promoted or not: an evaluation is what may carry it."""
    if site_file is None:
        return card_in_use(settings.model)
    return localised(read_card(settings.model.card), read_site_file(site_file))


def _missed(wish: Wish, scores: Path, card: ModelCard, threshold: float, settings: Settings) -> list[Missed]:
    if not wish.shows_missed or not isinstance(wish.pictures, Folder):
        return []
    _, rows = read_scores(scores)
    return photographed(here(rows, card), threshold, (wish.pictures.images, wish.pictures.labels.parent), settings.image.pixels_max)


def _reasons(found: Tally) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in found.refused.items())
