"""Composes one look of the scheduled watch."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from functools import partial

from tocsin.bootstrap.card import card_in_use
from tocsin.errors import ConfigurationError
from tocsin.fhir.client import FhirClient
from tocsin.fidelity.answers import read_answers
from tocsin.fidelity.check import arithmetic_of
from tocsin.fidelity.look import Looking
from tocsin.inference.triton import TritonClassifier
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.learning.about import gated
from tocsin.learning.scores import read_scores
from tocsin.learning.watch.inputs import BASELINE_MIN, Baseline, baseline_of
from tocsin.learning.watch.known import look_at_known
from tocsin.learning.watch.record import FhirRecord
from tocsin.learning.watch.types import Look
from tocsin.learning.watch.watcher import Watcher, reasons_of_reports, tell
from tocsin.model_card import ModelCard
from tocsin.risk.calibration import here
from tocsin.settings import Settings
from tocsin.site.file import card_sha256, input_gate_of
from tocsin.site.gate import gate_sha256
from tocsin.terminal import Progress, Silent


def watch(settings: Settings, now: datetime) -> None:
    """Look at everything once and tell what was found; `now` is aware.

    Known pictures come first, and what they say is told also where the bus is away. Raises ConfigurationError, ContractError, and
    Unavailable(kafka).
    """
    tell(known_pictures(settings, Silent()))
    card = card_in_use(settings.model)
    baseline = baseline_in_use(settings, card)
    with closing(KafkaTopicReader(settings.kafka)) as reader:
        record = record_of(settings, card)
        tell(Watcher(reader, settings.kafka, settings.report.source, card, settings.watch, baseline, record).look(now))


def record_of(settings: Settings, card: ModelCard) -> FhirRecord:
    """Where device and body site of pictures are asked for; reaches out to nobody yet."""
    return FhirRecord(FhirClient(settings.fhir), card.facts, settings.watch.record_within_s)


def known_pictures(settings: Settings, progress: Progress) -> list[Look]:
    """What Triton answers to the known pictures, by the bands in use; nothing where none are set. Raises ConfigurationError."""
    folder, card = settings.watch.pictures, card_in_use(settings.model)
    if folder is None:
        return []
    arithmetic_of(card)
    known = read_answers(folder, card)
    with closing(TritonClassifier(settings.triton, card)) as classifier:
        return [look_at_known(known, folder, Looking(classifier, card, settings.image.pixels_max), progress)]


def baseline_in_use(settings: Settings, card: ModelCard) -> Baseline | None:
    """The baseline that is set, on the scale that is reported here. Raises ConfigurationError where it is none for this card."""
    path = settings.watch.baseline
    if path is None:
        return None
    header, rows = read_scores(path)
    if header.model != str(card.model) or header.card_sha256 != card_sha256(card):
        raise ConfigurationError(f"{path} holds scores of another model or card than {card.model}: name those of its own evaluation")
    if header.input_gate_sha256 != gate_sha256(input_gate_of(card)):
        raise ConfigurationError(
            f"{path} holds scores made {gated(header)}, and pictures are judged otherwise here: name those of an evaluation by the site "
            "file in use"
        )
    baseline = baseline_of(rows, partial(_reported, card), reasons_of_reports(), card.facts.sites[:-1])
    if baseline is None:
        raise ConfigurationError(f"{path} holds fewer than {BASELINE_MIN} different assessable pictures: it is no baseline")
    return baseline


def _reported(card: ModelCard, score: float) -> float:
    return here(score, card)
