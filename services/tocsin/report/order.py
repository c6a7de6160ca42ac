"""Which report stays, which is judged again, which gives way. Pure, so that every writer decides alike from what the record says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from tocsin.inference.model import ModelVersion
from tocsin.report.compose import Issuer
from tocsin.report.flag import WITHDRAWN
from tocsin.report.identity import report_id
from tocsin.report.model import IN_ERROR, PRELIMINARY, Standing

_NEVER = datetime.min.replace(tzinfo=UTC)


def replaceable(found: Standing, as_of: datetime) -> bool:
    """Whether Tocsin may write over this report with a verdict on a Media that stood at `as_of`.

    It may while nobody has acted on it; and where it gave way to another picture, and the Media has since been given its own back.
    """
    if found.status == IN_ERROR and found.superseded_by is not None and found.mark is not None:
        return as_of > found.mark.as_of
    return found.status == PRELIMINARY and (found.verbatim or (found.mark is None and found.code != ""))


def recognised(found: Standing, grounds: str, as_of: datetime) -> bool:
    """Whether judging the picture again could change nothing that Tocsin may write."""
    same = found.status == PRELIMINARY and found.mark is not None and found.mark.grounds == grounds
    return same or not replaceable(found, as_of)


def rivals(standing: Standing, other: Standing, issuer: Issuer) -> bool:
    """Whether only one of the two can hold: another picture of the same Media and patient, or another version of the issuer's model.

    Another model looks for something else, so that its report stands beside this one; so does another installation's. That a report is
    the issuer's own shows in its id, which nothing but its own facts make.
    """
    if other.mark is None or (other.media, other.subject) != (standing.media, standing.subject):
        return False
    model = ModelVersion(issuer.card.name, other.mark.model_version)
    own = f"DiagnosticReport/{report_id(issuer.source, other.media, other.mark.content_sha256, model)}"
    return other.reference == own != standing.reference


def newest(standings: Iterable[Standing]) -> Standing | None:
    """The one that holds, of the reports on one Media: the latest picture, judged last. None where none holds."""
    return max((each for each in standings if each.mark is not None and each.status not in WITHDRAWN), key=_age, default=None)


def outdated(standing: Standing, by: Standing) -> bool:
    """Whether this report has to give way: it is older, and nobody has acted on it."""
    return standing.status == PRELIMINARY and standing.verbatim and _age(standing) < _age(by)


def _age(standing: Standing) -> tuple[datetime, datetime, str]:
    as_of = _NEVER if standing.mark is None else standing.mark.as_of
    return as_of, standing.issued or _NEVER, standing.reference
