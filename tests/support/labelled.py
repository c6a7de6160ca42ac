"""Files of scores from a site whose truth is known: a score means logistic(intercept + slope * logit(score)) there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tocsin.learning.scores import Header, write_scores
from tocsin.learning.types import Scored
from tocsin.model_card import ModelCard, read_card
from tocsin.site.file import card_sha256
from tocsin.site.protocol import Protocol

from tests.support.records import SKLESION

CARD = read_card(SKLESION)


@dataclass(frozen=True, slots=True)
class Site:
    """A site that never was."""

    seed: int
    n: int = 400
    intercept: float = 1.2
    slope: float = 0.6
    first: date = date(2026, 1, 1)
    patients: str = "p"
    """What its patients' ids begin with; empty: none is named."""

    def rows(self) -> Iterator[Scored]:
        """A picture of each of `n` patients, labelled on 90 days by turns."""
        draw = np.random.default_rng(self.seed)
        odds = draw.normal(-1, 2, self.n)
        malignant = draw.random(self.n) < 1 / (1 + np.exp(-odds))
        scores = 1 / (1 + np.exp(-(odds - self.intercept) / self.slope))
        for number in range(self.n):
            name = f"{self.seed}-{number}"
            yield Scored(
                f"{name}.jpg",
                float(scores[number]),
                malignant=bool(malignant[number]),
                label_kind="pathology",
                labelled_on=self.first + timedelta(days=number % 90),
                patient=f"{self.patients}{name}" if self.patients else None,
                lesion=f"l{name}",
                groups={"sex": "female" if number % 2 else "male"},
            )

    def written(self, path: Path, *more: Scored) -> Path:
        """Its file of scores."""
        write_scores(path, header(), (*self.rows(), *more))
        return path


def header(card: ModelCard = CARD, **changes: Any) -> Header:
    """Of scores that the reference model gave."""
    said = {
        "model": str(card.model),
        "card_sha256": card_sha256(card),
        "served_sha256": card.provenance.served_sha256,
        "modality": "DMS",
        "source": "folder",
        "labels_sha256": "c" * 64,
        "malignant_classes": tuple(each.code for each in card.output.classes if each.malignant),
        "made_at": datetime(2026, 4, 1, tzinfo=UTC),
    }
    return Header.model_validate(said | changes)


def protocol(**changes: Any) -> Protocol:
    """Bounds that such a site's calibration meets."""
    said: Mapping[str, Any] = {
        "protocol_version": 1,
        "name": "first-promotion",
        "site": "north",
        "model": str(CARD.model),
        "label_kinds": ("pathology", "follow-up"),
        "disjoint_by": "patient",
        "n_min": 200,
        "malignant_min": 60,
        "confidence": 0.95,
        "sensitivity_at_least": 0.85,
        "groups": (
            {"column": "sex", "value": "female", "malignant_min": 29, "sensitivity_at_least": 0.75},
            {"column": "sex", "value": "male", "malignant_min": 29, "sensitivity_at_least": 0.75},
        ),
        "net_benefit": {"at_probability": 0.03, "loss_max": 0.01},
        "calibration": {
            "ici_max": 0.1,
            "slope_min": 0.6,
            "slope_max": 1.6,
            "observed_over_expected_min": 0.7,
            "observed_over_expected_max": 1.4,
        },
    }
    return Protocol.model_validate({**said, **changes})
