"""A site file of a made-up hospital, for whichever card."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from tocsin.model_card import ModelCard
from tocsin.site.file import LocalCard, card_sha256, localised
from tocsin.site.parts import SiteFile

SITE = "st-elsewhere"
EVALUATION = {
    "report_sha256": "a" * 64,
    "protocol_sha256": "b" * 64,
    "labels": {"n": 300, "malignant": 61, "scores_sha256": "d" * 64},
    "carried_on": "2026-05-04T08:00:00+02:00",
}


def site_json(card: ModelCard, limits: Sequence[float] = (0.03, 0.2), **changes: Any) -> dict[str, Any]:
    """A site file for the card, that was promoted, as it stands in YAML; `limits` are where its bands but the lowest begin."""
    labels = {"n": 200, "malignant": 48, "taken_from": "2026-01-07", "taken_to": "2026-04-30", "scores_sha256": "c" * 64}
    point = card.operating_point.model_dump(mode="json") | {"name": "sensitivity-95", "chosen": "For sensitivity 0.95 on 48 cancers."}
    for band, at_least in zip(point["bands"][1:], limits, strict=True):
        band["at_least"] = at_least
    whole = {
        "site_file_version": 1,
        "name": SITE,
        "version": 3,
        "made_at": "2026-05-01T10:00:00+02:00",
        "model": str(card.model),
        "card_sha256": card_sha256(card),
        "calibration": {"kind": "intercept-and-slope", "intercept": -1.5, "slope": 0.6, "fitted_on": labels},
        "operating_point": point,
        "prevalence": {"of_labels": 0.24, "assumed": 0.034, "source": "the clinic's own count of 2025"},
        "guarantee": {
            "target_sensitivity": 0.95,
            "confidence": 0.95,
            "sensitivity_at_least": 0.951,
            "method": "fixed-sequence exact binomial test",
            "labels": labels,
        },
        "evaluation": deepcopy(EVALUATION),
    }
    return whole | changes


def site_file(card: ModelCard, **changes: Any) -> SiteFile:
    """The same, read."""
    return SiteFile.model_validate(site_json(card, **changes))


def at_site(card: ModelCard, **changes: Any) -> LocalCard:
    """The card as it is used at that hospital."""
    return localised(card, site_file(card, **changes))


def written(folder: Path, card: ModelCard, **changes: Any) -> Path:
    """The same as a file in the folder."""
    folder.mkdir(exist_ok=True)
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site_json(card, **changes)), "utf-8")
    return path
