"""Which of a report's parts an act moves, and to which status. Pure.

A part that a clinician has judged for itself is theirs: an act leaves it alone, and an undo gives back those parts alone that the undone
act had moved, each as it was. A withdrawal takes every part with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tocsin.fhir.canonical import VERDICT
from tocsin.fhir.datatypes import Json, objects, reference_to, text
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.status import with_status
from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.review.types import Act


@dataclass(frozen=True, slots=True)
class At:
    """Where a report stands before an act."""

    status: str
    moved: Mapping[str, str]
    """As in Acted.moved, by the act that stands on it; empty where none does."""
    acted_on: bool
    """Whether an act stands on it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part that an act moves."""

    part: Json = field(repr=False)
    """As the act leaves it."""
    was: str
    """Its status before anybody had acted on it by way of the report."""


def step_of(part: Json, act: Act, at: At, after: str) -> Step | None:
    """What the act makes of the part, where the report becomes `after`; None where it leaves the part alone."""
    status, reference = text(part.get("status")), reference_to(part)
    went_along = status == at.status and reference in at.moved
    was = at.moved[reference] if went_along else status
    if act is Act.UNDO:
        return Step(with_status(_without_own_status(part), was), was) if went_along else None
    if act is Act.WITHDRAW:
        return Step(with_status(part, IN_ERROR), was) if status != IN_ERROR else None
    follows = went_along or (status == at.status and (status == PRELIMINARY or not at.acted_on))
    return Step(with_status(part, after), was) if follows else None


def moved_in(steps: Iterable[Step]) -> Mapping[str, str]:
    """As in Acted.moved."""
    return {reference_to(each.part): each.was for each in steps}


def moved_by(provenance: Json, parts: Iterable[Json], base: ServiceBase) -> Mapping[str, str]:
    """As in Acted.moved, by the Provenance of an act that does not say it itself, as older versions of Tocsin wrote them.

    They kept a part's own status on the part where it was another than its report's; of the others none but `preliminary` is known.
    """
    targets = {base.local(each) for each in objects(provenance.get("target"))}
    return {reference_to(each): _own_status(each) or PRELIMINARY for each in parts if reference_to(each) in targets}


def _own_status(part: Json) -> str:
    return next((text(each.get("valueCode")) for each in objects(part.get("extension")) if each.get("url") == VERDICT), "")


def _without_own_status(part: Json) -> Json:
    others = [each for each in objects(part.get("extension")) if each.get("url") != VERDICT]
    bare = {name: value for name, value in part.items() if name != "extension"}
    return bare | ({"extension": others} if others else {})
