"""The site file: read, held against its model card, and the card as it is used at that site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from pydantic import ConfigDict

from tocsin.errors import ConfigurationError
from tocsin.model_card import Band, ModelCard
from tocsin.setting_words import reading
from tocsin.site.gate import InputGate, misfits
from tocsin.site.parts import CERTAIN, Labels, SiteFile

SETTING: Final = "TOCSIN_MODEL__SITE_FILE"
_NAMES: Final[Any] = {"modalities": {"__all__": {"display"}}, "refused": {"__all__": {"display"}}}
"""What of a card's `accepts` is prose."""


class LocalCard(ModelCard):
    """A card as its model is used at one site: bands on the calibrated scale, numbers that may be called probabilities."""

    model_config = ConfigDict(title="Model card v1 at one site")

    alone: ModelCard
    """The card itself, unchanged."""
    site: SiteFile


def read_site_file(path: Path) -> SiteFile:
    """The site file in a YAML file; ConfigurationError says what is wrong with it and where."""
    with reading(f"the site file {path}", SiteFile, "site file", f": put it back, or name another in {SETTING}"):
        return SiteFile.model_validate(yaml.safe_load(path.read_bytes()))


def card_sha256(card: ModelCard) -> str:
    """Hex SHA-256 of what the numbers of a model rest on: network, inputs, what it may be shown, classes, its own calibration.

    Prose, limits, translations, arithmetic and bands are left out: they move no score. A card that is used at a site has the hash of the
    card itself.
    """
    own = original(card)
    return _sha256(
        {
            "model": [own.name, own.version],
            "served_sha256": own.provenance.served_sha256,
            "accepts": own.accepts.model_dump(mode="json", exclude=_NAMES),
            "image": own.image.model_dump(mode="json"),
            "facts": own.facts.model_dump(mode="json"),
            "output": [own.output.name, [[each.code, each.malignant] for each in own.output.classes]],
            "calibration": own.calibration,
        }
    )


def site_sha256(site: SiteFile) -> str:
    """Hex SHA-256 of what a site file says, however it is written down."""
    return _sha256(site.model_dump(mode="json"))


def fits(card: ModelCard, site: SiteFile) -> list[str]:
    """Why the site file is not one for this card; empty where it is."""
    return list(_problems(original(card), site))


def localised(card: ModelCard, site: SiteFile) -> LocalCard:
    """The card as it is used at the site. Raises ConfigurationError where the site file is not one for the card."""
    own = original(card)
    if problems := fits(own, site):
        raise ConfigurationError(f"the site file {site} does not fit the card of {own.model}: {'; '.join(problems)}")
    point = site.operating_point
    fields: Mapping[str, Any] = {name: getattr(own, name) for name in ModelCard.model_fields}
    here = {
        "operating_point": point.model_copy(update={"name": f"{point.name} ({site})"}),
        "calibration": "probability",
        "calibrated_on": calibrated_on(site),
        "alone": own,
        "site": site,
    }
    return LocalCard.model_validate({**fields, **here})


def original(card: ModelCard) -> ModelCard:
    """The card itself, also of one that is used at a site."""
    return card.alone if isinstance(card, LocalCard) else card


def site_of(card: ModelCard) -> SiteFile | None:
    """The site file by which the card is used; None where it is used alone."""
    return card.site if isinstance(card, LocalCard) else None


def input_gate_of(card: ModelCard) -> InputGate | None:
    """The input gate by which the card is used; None where there is none."""
    site = site_of(card)
    return None if site is None else site.input_gate


def calibrated_on(site: SiteFile) -> str:
    """On which pictures the site's probabilities rest, in one sentence."""
    labels, prevalence = site.calibration.fitted_on, site.prevalence
    pictures = f"{labels.n} pictures of {site.name}, {labels.malignant} of them malignant{_days(labels)}"
    return f"{pictures}; reckoned with {prevalence.assumed * 100:.3g} % malignant among the pictures that are judged ({prevalence.source})."


def _days(labels: Labels) -> str:
    first, last = (each.isoformat() if isinstance(each, date) else None for each in (labels.taken_from, labels.taken_to))
    if first and last:
        return f", labelled from {first} to {last}"
    return f", labelled until {last}" if last else f", labelled since {first}" if first else ", labelled on days that were not noted"


def _problems(card: ModelCard, site: SiteFile) -> Iterator[str]:
    if site.model != str(card.model):
        yield f"it was made for {site.model}"
    elif site.card_sha256 != card_sha256(card):
        theirs, ours = site.card_sha256[:12], card_sha256(card)[:12]
        yield f"it was made for another card of {site.model} (card_sha256 {theirs}..., this card's is {ours}...)"
    own, here = card.operating_point.bands, site.operating_point.bands
    if [*map(_told, own)] != [*map(_told, here)]:
        yield "its bands must be the card's, in the same order, with the same codes, displays and sentences, and flagged alike"
    if unreachable := [each.code for each in here if each.at_least > 1 - CERTAIN]:
        yield f"no probability reaches the band {unreachable[0]}, which begins above {1 - CERTAIN}"
    if site.input_gate is not None:
        yield from misfits(site.input_gate, card)


def _told(band: Band) -> tuple[str, str, str, bool]:
    return band.code, band.display, band.sentence, band.flagged


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
