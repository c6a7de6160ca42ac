"""The reports of one patient, a row each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import ServiceBase
from tocsin.model_card import ModelCard
from tocsin.report.resources.mark import stored_report
from tocsin.report.said import Said
from tocsin.report.types import PRELIMINARY
from tocsin.review.shown import Finding, Shown, Sources, View
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
    picture: Shown | None
    """The picture that was judged; None where it is withdrawn, another patient's, or was not read."""
    alike: bool = False
    """Whether another row was made in the same minute."""


def rows(
    reports: Iterable[Json], pictures: Mapping[str, Json], base: ServiceBase, card_of: Callable[[str], ModelCard | None], *, hidden: bool
) -> list[Row]:
    """The rows; `pictures` are their patient's by Media/<id>; `hidden`: nothing is told of results that no clinician has reviewed."""
    sources = (Sources(each, pictures.get(stored_report(each, base).media), None) for each in reports)
    found = [_row(view(each, base, card_of), hidden=hidden) for each in sources]
    made = Counter(_minute(each) for each in found)
    return [replace(each, alike=made[_minute(each)] > 1) for each in found]


def _row(shown: View, *, hidden: bool) -> Row:
    told = not shown.in_error and not (hidden and shown.status == PRELIMINARY)
    finding, said = (shown.finding, shown.said) if told else (None, None)
    return Row(shown.id, shown.status, shown.made.issued, finding, said, shown.picture)


def _minute(row: Row) -> datetime | None:
    return None if row.issued is None else row.issued.replace(second=0, microsecond=0)
