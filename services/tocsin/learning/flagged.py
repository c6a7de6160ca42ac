"""Scores that are on the bus already: what flags say of pictures, joined with what pathology and clinicians said of them. Pure.

A flag states the number of its report: the model's own score, or what the site's calibration made of it. A file of scores holds the model's
own, so that nothing is calibrated twice: the number is turned back, and held against the band that the flag names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final

import orjson

from tocsin.errors import ConfigurationError
from tocsin.learning.labels_bus import OfMedia
from tocsin.learning.labels_csv import JUDGEMENT_UNKNOWN, pseudonym
from tocsin.learning.types import Scored
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.risk.calibration import here
from tocsin.site.file import site_of

ROUNDED: Final = 1e-6
"""So much may a report's number be off by its rounding."""
_WITHIN: Final = 1e-9
"""How far inside its band a number is put that rounding put outside, as a share of it."""


def rows(flags: Mapping[str, Flag], found: Iterable[OfMedia], seen: Collection[str], card: ModelCard) -> list[Scored]:
    """A row for each picture: `flags` as `watch.performance.latest` gives them, each with its label where it has one.

    A label of another patient's picture, or a verdict on another report, is none. One whose picture no such flag speaks of is told as
    a refused row; `seen`: Media of which older flags speak, or ones by another site file, which are not asked about. `card` as it is used
    here. Raises ConfigurationError where a flag's number and band contradict each other by this card.
    """
    labelled = {each.media: each for each in found}
    judged = [_row(flag, labelled.get(media), card) for media, flag in sorted(flags.items())]
    return judged + [Scored(media, None, refusal=JUDGEMENT_UNKNOWN) for media in sorted(labelled.keys() - flags.keys() - set(seen))]


def sha256_of_rows(judged: Iterable[Scored]) -> str:
    """The SHA-256 of what the rows say: another flag, label or weight has another."""
    digest = hashlib.sha256()
    for each in judged:
        label = (each.malignant, each.label_kind, str(each.labelled_on), each.weight, each.sought)
        digest.update(orjson.dumps((each.picture, each.score, each.refusal, each.patient, *label)) + b"\n")
    return digest.hexdigest()


def own_score(flag: Flag, card: ModelCard) -> float | None:
    """The model's own score of an assessed flag; None where it cannot be of this card and site: its band does not go with its number."""
    number, site = flag.probability, site_of(card)
    limits = dict(_limits(card)).get(flag.band or "")
    if number is None or limits is None or not limits[0] - ROUNDED <= number <= limits[1] + ROUNDED:
        return None
    score = number if site is None else site.calibration.score(number)
    low, high = limits
    if low <= here(score, card) < high:
        return score
    inside = min(max(number, low + _WITHIN * low), high - _WITHIN * high)
    return inside if site is None else site.calibration.score(inside)


def contradicts(flag: Flag, card: ModelCard) -> bool:
    """Whether number and band of an assessed flag do not go together by card and site file here: others judged its picture.

    So it is with flags from before they named their site file, and with those of processes that had not got it yet.
    """
    return flag.reason is None and own_score(flag, card) is None


def joined(flag: Flag, label: OfMedia | None) -> Scored:
    """The flag's picture without its score, with what was said of it.

    A label of another patient's picture, or a verdict on another report, is none of it.
    """
    said = Scored(flag.media, None) if label is None or not _is_of(label, flag) else label.said
    return replace(said, patient=pseudonym(flag.subject), refusal=flag.reason)


def _row(flag: Flag, label: OfMedia | None, card: ModelCard) -> Scored:
    known = joined(flag, label)
    if known.refusal is not None:
        return known
    score = own_score(flag, card)
    if score is None:
        raise ConfigurationError(
            f"the flag of {flag.report} says {flag.probability} and {flag.band}, which do not go together by card and site file here: "
            "others judged it, before flags named theirs. Say with --since from which day on these judged, or set "
            "TOCSIN_MODEL__SITE_FILE to the file that did"
        )
    return replace(known, score=score)


def _is_of(label: OfMedia, flag: Flag) -> bool:
    return label.subject == flag.subject and (label.said.label_kind != "verdict" or flag.report in label.reports)


def _limits(card: ModelCard) -> Iterator[tuple[str, tuple[float, float]]]:
    """Code of each band -> where it begins and ends."""
    bands = card.operating_point.bands
    ends = [each.at_least for each in bands] + [2.0]
    return ((band.code, limits) for band, limits in zip(bands, pairwise(ends), strict=True))
