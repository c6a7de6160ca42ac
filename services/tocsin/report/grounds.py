"""What a verdict rests on besides the pixels, as fingerprints: where they are the same, judging again would say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson
from pydantic import BaseModel

from tocsin.fhir.datatypes import Coding
from tocsin.image.gate import Acceptance
from tocsin.image.taken import Days, Taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.model_card import AgeRange, Band, FactsInput, ImageInput, ModelCard, QualityLimits
from tocsin.report.types import Grounds, Rank
from tocsin.site.file import site_of

JUDGING: Final = 3
"""Version of the code that decodes, gates and judges. Raise it whenever a change there may change what is said of a picture: every report
that nobody has acted on is then judged again when its picture is announced again, and a report of the old code is never taken for known."""

Codings = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Everything in code, card and site that changes a verdict, without the card's prose. A card's field that is not here changes none."""

    judging: int
    model: tuple[str, str]
    served_sha256: str
    image: ImageInput
    facts: FactsInput
    output: str
    classes: tuple[tuple[str, bool], ...]
    """Each class's code and whether it is malignant, in the model's order."""
    calibration: str
    bands: tuple[tuple[str, float, bool, str | None], ...]
    """Each band's code, the probability where it begins, whether it is flagged, and its coded risk."""
    ages: AgeRange | None
    quality: QualityLimits
    modalities: Codings
    refused: Codings
    vouched: Coding | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything in the FHIR server that changes a verdict, or that the report says of the picture."""

    media_version: str | None
    """Version of the Media: one that was stored again is judged again, whatever its source corrected in it."""
    taken: Taken | None
    body_site: dict[str, object] | None
    modality: Codings
    modality_stated: bool
    patient: PatientFacts
    born: Days | None


def rule_of(card: ModelCard, acceptance: Acceptance, *, judging: int = JUDGING) -> Rule:
    """The rule by which a process with this card and site judges."""
    return Rule(
        judging=judging,
        model=(card.name, card.version),
        served_sha256=card.provenance.served_sha256,
        image=card.image,
        facts=card.facts,
        output=card.output.name,
        classes=tuple((each.code, each.malignant) for each in card.output.classes),
        calibration=card.calibration,
        bands=tuple(map(_limits, card.operating_point.bands)),
        ages=card.accepts.age,
        quality=acceptance.limits,
        modalities=_codings(acceptance.modalities),
        refused=_codings(acceptance.refused),
        vouched=acceptance.modality_when_absent,
    )


def facts_of(picture: Picture) -> Facts:
    """What the FHIR server says of a picture. A time that only an event states is left out, and so is the age at that time."""
    stated = picture.taken.by_the_media
    return Facts(
        media_version=picture.version,
        taken=picture.taken if stated else None,
        body_site=picture.body_site,
        modality=_codings(picture.modality),
        modality_stated=picture.modality_stated,
        patient=picture.facts if stated else replace(picture.facts, age_years=None, ages_open=None),
        born=picture.born,
    )


def grounds_by(card: ModelCard, acceptance: Acceptance, *, edition: int, judging: int = JUDGING) -> Callable[[Picture], Grounds]:
    """A function: picture -> grounds, for a process with this card and site; `edition` is its settings.report.edition."""
    rank = Rank(edition, judging, int(card.version))
    rule = fingerprint(rule_of(card, acceptance, judging=judging), *_here(card))
    return partial(_grounds, rule, rank)


def fingerprint(*values: Rule | Facts | str | Mapping[str, Any]) -> str:
    """Hex SHA-256 of the values as JSON with its keys in order: the same in every process."""
    return hashlib.sha256(b"\n".join(orjson.dumps(each, _plain, orjson.OPT_SORT_KEYS) for each in values)).hexdigest()


def _here(card: ModelCard) -> list[Mapping[str, Any]]:
    """What a site file changes in a verdict besides the bands, which are in the rule: its map and its input gate.

    Nothing where the card is used alone.
    """
    site = site_of(card)
    if site is None:
        return []
    gate = site.input_gate
    looked_at = {} if gate is None else {"gate": [gate.weights, gate.bias, gate.threshold]}
    return [{"intercept": site.calibration.intercept, "slope": site.calibration.slope, **looked_at}]


def _grounds(rule: str, rank: Rank, picture: Picture) -> Grounds:
    seen = fingerprint(facts_of(picture))
    return Grounds(fingerprint(rule, seen), seen, rank)


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(type(value).__name__)


def _limits(band: Band) -> tuple[str, float, bool, str | None]:
    return band.code, band.at_least, band.flagged, band.qualitative_risk


def _codings(codings: Iterable[Coding]) -> Codings:
    return tuple(sorted((each.system or "", each.code) for each in codings))
