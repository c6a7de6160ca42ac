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
from tocsin.report.types import PRELIMINARY, REVIEWED
from tocsin.review.history import Entry, act_told, may_contest
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
    act: Entry | None = None
    """What a clinician made of it, where it is told here and the report itself tells: a list reads no Provenance."""
    conclusion: tuple[str, ...] = ()
    """What another program concluded, where it is told here, as in View."""
    card: ModelCard | None = None
    """The card of the model that judged; None where it is not at hand."""
    alike: bool = False
    """Whether another row was made in the same minute."""

    @property
    def contested(self) -> bool:
        """Whether a clinician disagrees with what the model said, or may: then that is told as what it had said."""
        return bool(self.conclusion) or (self.status in REVIEWED and may_contest(self.act))


def rows(
    reports: Iterable[Json], pictures: Mapping[str, Json], base: ServiceBase, card_of: Callable[[str], ModelCard | None], *, hidden: bool
) -> list[Row]:
    """The rows; `pictures` are their patient's by Media/<id>; `hidden`: nothing is told of results that no clinician has reviewed."""
    sources = (Sources(each, pictures.get(stored_report(each, base).media), None) for each in reports)
    found = [_row(view(each, base, card_of), act_told(each.report, base), hidden=hidden) for each in sources]
    made = Counter(_minute(each) for each in found)
    return [replace(each, alike=made[_minute(each)] > 1) for each in found]


def _row(shown: View, act: Entry | None, *, hidden: bool) -> Row:
    told = not shown.in_error and not (hidden and shown.status == PRELIMINARY)
    row = Row(shown.id, shown.status, shown.made.issued, None, None, shown.picture)
    if not told:
        return row
    return replace(row, finding=shown.finding, said=shown.said, act=act, conclusion=shown.conclusion, card=shown.card)


def _minute(row: Row) -> datetime | None:
    return None if row.issued is None else row.issued.replace(second=0, microsecond=0)
