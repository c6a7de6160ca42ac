"""What every peer does with an event, whatever its framework: the same checks, ids, bundle and flag as Tocsin, by the same pure functions.

Left out is what Tocsin does besides: it looks for a report that stands already, lets older ones give way, sees what a clinician did, sends
what can never be judged to the dead letters, checks a sample of its bundles, makes the model known to the record, counts and traces. The
peer "as documented" does not keep the memory of its pictures either (tocsin.image.malloc); whoever is given Tocsin's decoder does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from tocsin.bootstrap.sizing import largest_picture_bytes
from tocsin.clock import utc_now
from tocsin.errors import ContractError
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import SNOMED
from tocsin.fhir.datatypes import Json, an_object, codings, instant, state_of, text, to_the_millisecond
from tocsin.fhir.reference import ServiceBase
from tocsin.image.attachment import attachment_of, verify
from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance, acceptance
from tocsin.image.identity import check_media, check_patient
from tocsin.image.kind import kind_of
from tocsin.image.memory_budget import Allowance
from tocsin.image.taken import ages, birth, taken
from tocsin.image.types import Obstacle, PatientFacts, Picture
from tocsin.inference.inputs import facts_tensor
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, read_card
from tocsin.report.flag import flag_of
from tocsin.report.grounds import grounds_by
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.issuer import issuer_of
from tocsin.report.resources.mark import as_written
from tocsin.report.types import Grounds, Report
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable
from tocsin.settings import Settings, read_settings
from tritonclient.grpc import InferInput

Tensor = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Site:
    """The hospital and the model, as the environment and the card describe them."""

    settings: Settings
    card: ModelCard
    acceptance: Acceptance
    issuer: Issuer
    grounds: Callable[[Picture], Grounds]
    decoder: Decoder

    @property
    def base(self) -> ServiceBase:
        """The FHIR server's base address."""
        return ServiceBase((self.settings.fhir.base_url,))


Look = Callable[[Picture, Site], Obstacle | Tensor]
"""Picture -> the tensor for the model, or why the model may not see it: the part that differs between peers."""


def site() -> Site:
    """The site of this process's environment: the variables that `tocsin consume` reads. Raises ConfigurationError."""
    settings = read_settings()
    return site_of(settings, read_card(settings.model.card))


def site_of(settings: Settings, card: ModelCard) -> Site:
    """The site of these settings and this model."""
    image, accepted = settings.image, acceptance(card, settings.image)
    allowance = Allowance(
        image.in_flight_bytes_max or largest_picture_bytes(image), image.in_flight_wait_s, holders_max=len(os.sched_getaffinity(0))
    )
    decoder = Decoder(allowance, pixels_max=image.pixels_max, reduce_to_px=card.reduce_to_px)
    issuer = issuer_of(card, settings.report)
    return Site(settings, card, accepted, issuer, grounds_by(card, accepted, edition=settings.report.edition), decoder)


def content_url(event: ImagingEvent, media: Json, patient: Json, here: Site) -> str:
    """Where the picture lies, below the FHIR server's base address. Identity is settled first. Raises Refused."""
    check_media(media, event, here.base)
    check_patient(patient, event)
    return str(attachment_of(media, event.media)["url"])


def picture_of(event: ImagingEvent, media: Json, patient: Json, content: bytes, fetched: datetime) -> Picture:
    """The verified picture; `fetched` is the time before the Media was read. Raises Refused."""
    verify(attachment_of(media, event.media), content, event.media)
    fetched = to_the_millisecond(fetched)
    as_of = _as_of(media) or fetched
    when, born, kind = taken(media, announced=event.taken_at, stored=as_of), birth(patient.get("birthDate")), kind_of(media)
    return Picture(
        media=event.media,
        version=state_of(media),
        as_of=as_of,
        fetched=fetched,
        subject=event.subject,
        content_sha256=hashlib.sha256(content).hexdigest(),
        taken=when,
        modality=kind.codings,
        modality_stated=kind.stated,
        body_site=media.get("bodySite"),
        born=born,
        facts=_facts(patient, media, ages(born, when.days)),
        content=content,
    )


def _as_of(media: Json) -> datetime | None:
    when = instant(an_object(media.get("meta")).get("lastUpdated"))
    return None if when is None else to_the_millisecond(when)


def _facts(patient: Json, media: Json, years: tuple[int, int] | None) -> PatientFacts:
    site_codes = tuple(coding.code for coding in codings(media.get("bodySite")) if coding.system == SNOMED)
    sex = text(patient.get("gender")) or None
    if years is None or years[0] == years[1]:
        return PatientFacts(sex, None if years is None else float(years[0]), site_codes)
    return PatientFacts(sex, None, site_codes, ages_open=years)


def inputs(tensor: Tensor, facts: PatientFacts, card: ModelCard) -> list[InferInput]:
    """What Triton is sent."""
    values = ((card.image.name, card.image.datatype, tensor), (card.facts.name, "FP32", facts_tensor(facts, card.facts)))
    return [_input(name, datatype, each) for name, datatype, each in values]


def _input(name: str, datatype: str, values: Tensor) -> InferInput:
    tensor = InferInput(name, [1, *values.shape], datatype)
    tensor.set_data_from_numpy(values[np.newaxis])
    return tensor


def judged(probabilities: Any, card: ModelCard) -> Judgement:
    """The verdict on Triton's answer, an array. Raises ContractError where it has not one probability for each class."""
    classes = card.output.classes
    if probabilities is None or probabilities.shape != (1, len(classes)):
        raise ContractError(f"{card.model} did not answer [1, {len(classes)}] probabilities")
    return judge(Findings(card.model, {each.code: float(value) for each, value in zip(classes, probabilities[0], strict=True)}), card)


def composed(event: ImagingEvent, picture: Picture, verdict: Judgement | Obstacle, here: Site) -> Report:
    """The report, with the transaction that writes it."""
    judgement = Unassessable(verdict) if isinstance(verdict, Obstacle) else verdict
    return compose(event, picture, here.grounds(picture), judgement, here.issuer, utc_now())


def flag(event: ImagingEvent, report: Report, here: Site) -> Mapping[str, Any]:
    """The flag event, as JSON, for a report that was written."""
    stored = as_written(report)
    assert stored.mark is not None
    return flag_of(event, stored, stored.mark, here.issuer, utc_now()).model_dump(mode="json", exclude_none=True)
