"""What pathology and clinicians said of pictures, as labels: read from the topic of verdicts, one label a picture. Pure.

Pathology is what the lesion is; a verdict is what a clinician thought who had seen the flag, and stays apart by its kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from tocsin.fhir.datatypes import Coding, canonical, coding_of
from tocsin.image.types import PatientFacts
from tocsin.learning.labels_csv import band_of, pseudonym
from tocsin.learning.types import Scored
from tocsin.model_card import FactsInput, ModelCard
from tocsin.report.flag import Flag
from tocsin.review.ledger import Entry
from tocsin.review.outcomes import SETTLED, Link, Outcome
from tocsin.review.types import Act, State, Verdict

OVERRIDES: Final = {"clinically-suspicious": True, "clinically-benign": False}
"""Reasons of an override that call the lesion malignant, or benign; the others call it neither."""


@dataclass(frozen=True, slots=True)
class OfMedia:
    """A picture of the record that somebody said something of."""

    media: str
    """Media/<id>."""
    subject: str
    """Patient/<id>."""
    said: Scored
    """Its label; unlabelled where what was said calls it neither malignant nor benign."""
    reports: tuple[str, ...] = ()
    """DiagnosticReport/<id> of which it was said: pathology of each report on the picture, a verdict of one."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """What codes call malignant."""

    classes: Mapping[str, bool]
    """Code of a class of the card -> whether it is malignant."""
    findings: Mapping[Coding, bool]
    """Code of a finding of pathology -> whether it is malignant."""


def meanings(card: ModelCard, findings: Mapping[str, bool]) -> Meanings:
    """The card's classes with their codings, and the site's own codes of findings as system|code, which come first."""
    of_card = {canonical(Coding(each.system, each.code)): known.malignant for known in card.output.classes for each in known.codings}
    own = {canonical(coding_of(token)): malignant for token, malignant in findings.items()}
    return Meanings({each.code: each.malignant for each in card.output.classes}, of_card | own)


def labels(outcomes: Iterable[Outcome], entries: Iterable[Entry], flags: Iterable[Flag], meaning: Meanings) -> list[OfMedia]:
    """Each picture of which pathology or a clinician spoke, in the order of its reference.

    Pathology comes before a verdict. What it says of several pictures by their order or specimen alone is taken of none: they may show
    several lesions. A picture whose report was withdrawn is left out.
    """
    by_pathology = _by_pathology(outcomes, meaning)
    flagged = {each.report: each.flagged for each in flags if each.outcome == "assessed"}
    by_clinicians, withdrawn = _by_clinicians(entries, flagged, meaning)
    found = {**by_clinicians, **by_pathology}
    return [found[media] for media in sorted(found) if media not in withdrawn]


def sha256_of_labels(found: Sequence[OfMedia]) -> str:
    """The SHA-256 of labels: another label, weight or picture has another."""
    said = [
        (each.media, each.said.malignant, each.said.label_kind, str(each.said.labelled_on), each.said.weight, each.said.sought)
        for each in found
    ]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()


def groups_of(facts: PatientFacts, card: FactsInput, device: str = "") -> dict[str, str]:
    """The groups of a picture of the record: what the model is told of its patient, and what the picture was taken with."""
    words = {
        "age band": None if facts.age_years is None else band_of(facts.age_years),
        "sex": facts.sex if facts.sex in card.sexes[:-1] else None,
        "body site": region_of(facts.body_site_codes, card),
        "device": device or None,
    }
    return {name: word for name, word in words.items() if word is not None}


def region_of(codes: Collection[str], card: FactsInput) -> str | None:
    """The card's region of the body that these SNOMED CT codes name; None where they name none, or more than one."""
    sites = [site for site, of_site in card.site_codes.items() if not set(of_site).isdisjoint(codes)]
    return sites[0] if len(sites) == 1 else None


def _by_pathology(outcomes: Iterable[Outcome], meaning: Meanings) -> dict[str, OfMedia]:
    last = {(each.report, each.found): each for each in outcomes}
    settled = [each for each in last.values() if each.status in SETTLED]
    pictures: dict[str, set[str]] = {}
    for each in settled:
        pictures.setdefault(each.found, set()).add(each.media)
    labelled: dict[str, OfMedia] = {}
    for each in settled:
        if each.link is not Link.MEDIA and len(pictures[each.found]) > 1:
            continue
        malignant = _found(each, meaning)
        said = Scored(
            each.media,
            None,
            malignant=malignant,
            label_kind="pathology",
            labelled_on=None if each.issued_at is None else each.issued_at.date(),
            patient=pseudonym(each.subject),
        )
        labelled[each.media] = _worse(labelled.get(each.media), OfMedia(each.media, each.subject, said, (each.report,)))
    return {media: each for media, each in labelled.items() if each.said.malignant is not None}


def _found(outcome: Outcome, meaning: Meanings) -> bool | None:
    """Malignant where one finding is, benign where all that are known are, None where none is known."""
    known = [
        meaning.findings[coding] for each in outcome.findings if (coding := canonical(Coding(each.system, each.code))) in meaning.findings
    ]
    return any(known) if known else None


def _worse(one: OfMedia | None, other: OfMedia) -> OfMedia:
    """Malignant before benign before neither; of two that say the same, the earlier. It is said of the reports of both."""
    if one is None:
        return other
    ranks = {True: 2, False: 1, None: 0}
    worse = other if ranks[other.said.malignant] > ranks[one.said.malignant] else one
    return replace(worse, reports=tuple(dict.fromkeys((*one.reports, *other.reports))))


def _by_clinicians(entries: Iterable[Entry], flagged: Mapping[str, bool], meaning: Meanings) -> tuple[dict[str, OfMedia], frozenset[str]]:
    """The last act on each picture as its label, and the pictures whose report was withdrawn."""
    standing: dict[str, dict[str, Verdict]] = {}
    for entry in entries:
        if entry.state in (State.RECORDED, State.WAITING):
            acts = standing.setdefault(entry.verdict.media, {})
            if entry.verdict.undoes is not None:
                acts.pop(entry.verdict.undoes, None)
            else:
                acts[entry.verdict.id] = entry.verdict
    last = {media: max(acts.values(), key=lambda each: each.decided_at) for media, acts in standing.items() if acts}
    withdrawn = frozenset(media for media, act in last.items() if act.act is Act.WITHDRAW)
    return {media: _of_act(act, flagged, meaning) for media, act in last.items()}, withdrawn


def _of_act(act: Verdict, flagged: Mapping[str, bool], meaning: Meanings) -> OfMedia:
    said = Scored(act.media, None, label_kind="verdict", labelled_on=act.decided_at.date(), patient=pseudonym(act.subject))
    return OfMedia(act.media, act.subject, replace(said, malignant=_called(act, flagged, meaning)), (act.report,))


def _called(act: Verdict, flagged: Mapping[str, bool], meaning: Meanings) -> bool | None:
    match act.act:
        case Act.ACCEPT:
            return flagged.get(act.report)
        case Act.CORRECT:
            return meaning.classes.get(act.code or "")
        case Act.OVERRIDE:
            return OVERRIDES.get(act.code or "")
        case _:
            return None
