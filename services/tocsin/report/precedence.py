"""Which report stays, which is judged again, which gives way. Pure, so that every writer decides alike from what the record says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from tocsin.model_card import ModelVersion
from tocsin.report.flag import WITHDRAWN
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import report_id
from tocsin.report.types import IN_ERROR, PRELIMINARY, Standing

Recency = tuple[datetime, datetime]
"""As Picture.recency and Mark.recency have it."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def replaceable(found: Standing, recency: Recency) -> bool:
    """Whether Tocsin may write over this report with a verdict on a picture of this recency.

    It may while nobody has acted on it, and it rests on nothing newer; and where it gave way to another picture, as soon as the Media has
    been seen with its own again. One that a clinician withdrew never comes back.
    """
    if found.mark is None:
        return found.status == PRELIMINARY and found.code != ""
    if found.gave_way:
        return found.verbatim and recency > found.mark.recency
    return found.status == PRELIMINARY and found.verbatim and recency >= found.mark.recency


def recognised(found: Standing, grounds: str, recency: Recency) -> bool:
    """Whether judging the picture again could change nothing that Tocsin may write."""
    same = found.status == PRELIMINARY and found.mark is not None and found.mark.grounds == grounds
    return same or not replaceable(found, recency)


def overtaken(settled: Standing, latest: Standing, grounds: str, recency: Recency) -> bool:
    """Whether a report on which nothing was left to judge has since had its place taken by what is older than the picture.

    Where the record keeps no mark, or where somebody's act on a part keeps Tocsin from writing, judging again would lead nowhere.
    """
    return latest.mark is not None and recognised(settled, grounds, recency) and not recognised(latest, grounds, recency)


def untouched(part: str, status: str | None, report: Standing) -> bool:
    """Whether nobody but Tocsin has acted on this part of the report, by its status as it stands.

    What is in error is so by Tocsin only where the report holds it no longer, or gave way with all that it holds.
    """
    return status == PRELIMINARY or (status == IN_ERROR and (report.gave_way or part not in report.parts))


def rivals(standing: Standing, other: Standing, issuer: Issuer) -> bool:
    """Whether only one of the two can hold: another picture of the same Media and patient, or another version of the issuer's model.

    Another model looks for something else, so that its report stands beside this one; so does another installation's.
    """
    return _own_beside(standing, other, issuer) and other.subject == standing.subject


def misplaced(standing: Standing, other: Standing, issuer: Issuer) -> bool:
    """Whether the other is a report of the issuer's on the same Media that names another patient: only a person knows whose each is."""
    both_call = WITHDRAWN.isdisjoint((standing.status, other.status))
    return both_call and _own_beside(standing, other, issuer) and other.subject != standing.subject


def newest(standings: Iterable[Standing]) -> Standing | None:
    """The one that holds, of the reports on one Media: the latest picture, seen last. None where none holds."""
    return max((each for each in standings if each.mark is not None and each.status not in WITHDRAWN), key=_age, default=None)


def outdated(standing: Standing, by: Standing) -> bool:
    """Whether this report has to give way: it is older, and nobody has acted on it."""
    return standing.status == PRELIMINARY and standing.verbatim and _age(standing) < _age(by)


def _own_beside(standing: Standing, other: Standing, issuer: Issuer) -> bool:
    """That a report is the issuer's own shows in its id, which nothing but its own facts make."""
    if other.mark is None or other.media != standing.media:
        return False
    model = ModelVersion(issuer.card.name, other.mark.model_version)
    own = f"DiagnosticReport/{report_id(issuer.source, other.media, other.mark.content_sha256, model)}"
    return other.reference == own != standing.reference


def _age(standing: Standing) -> tuple[Recency, str]:
    return (_NEVER, _NEVER) if standing.mark is None else standing.mark.recency, standing.reference
