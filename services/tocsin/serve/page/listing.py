"""The reports of one patient, a row each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import ServiceBase
from tocsin.model_card import ModelCard
from tocsin.report.said import Said
from tocsin.report.types import PRELIMINARY
from tocsin.review.shown import Finding, Sources, View
from tocsin.review.view import view


@dataclass(frozen=True, slots=True)
class Row:
    """One report of a list."""

    id: str
    status: str
    issued: datetime | None
    finding: Finding | None
    """None where it is not to be told here, or cannot be read."""
    said: Said | None
    """What it says, where that is told."""


def rows(reports: Iterable[Json], base: ServiceBase, card_of: Callable[[str], ModelCard | None], *, hidden: bool) -> list[Row]:
    """The rows; `hidden`: nothing is told of results that no clinician has reviewed."""
    views = (view(Sources(each, None, None), base, card_of) for each in reports)
    return [_row(each, hidden=hidden) for each in views]


def _row(shown: View, *, hidden: bool) -> Row:
    told = not shown.in_error and not (hidden and shown.status == PRELIMINARY)
    finding, said = (shown.finding, shown.said) if told else (None, None)
    return Row(shown.id, shown.status, shown.made.issued, finding, said)
