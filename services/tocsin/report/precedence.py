"""Which report stays, which is judged again, which gives way. Pure, so that every writer decides alike from what the record says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from tocsin.model_card import ModelVersion
from tocsin.report.flag import WITHDRAWN
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import report_id
from tocsin.report.types import IN_ERROR, PRELIMINARY, Grounds, Mark, Place, Rank, StoredReport

Recency = tuple[datetime, datetime]
"""(as_of, fetched) of a picture, both aware, as in Picture.recency and Mark.recency; the greater is the newer."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def replaceable(found: StoredReport, grounds: Grounds, recency: Recency) -> bool:
    """Whether Tocsin may write over this report with a verdict on these grounds and a picture of this recency.

    Tocsin may while nobody has acted on the report, it rests on nothing newer, and the verdict is by a newer version or on other facts. A
    report that gave way to another picture may be replaced as soon as the Media has been seen with the report's own picture again. A
    report that a clinician withdrew never comes back.

    A rehearsal's verdict is written over no other but a rehearsal's; any other verdict, over every rehearsal's on which nobody acted.
    A rehearsal that is over is not made again by its own event, which the bus may deliver twice.
    """
    if found.mark is None:
        return found.status == PRELIMINARY and found.code != "" and grounds.rehearsal is None
    if _is_barred(found.mark, grounds):
        return False
    if found.rehearsed:
        return found.verbatim and found.mark.rehearsal != grounds.rehearsal
    if found.gave_way:
        return found.verbatim and recency > found.mark.recency
    if found.mark.rehearsal is not None and grounds.rehearsal is None:
        return _untouched(found)
    return _untouched(found) and recency >= found.mark.recency and _outranks(grounds, recency, found.mark)


def recognised(found: StoredReport, grounds: Grounds, recency: Recency) -> bool:
    """Whether judging the picture again could change nothing that Tocsin may write."""
    same = found.status == PRELIMINARY and found.mark is not None and _rests_on(found.mark, grounds)
    return same or not replaceable(found, grounds, recency)


def unnumbered(found: StoredReport, grounds: Grounds) -> bool:
    """Whether the report, judged by another rule than this process's, stays only because both rules have the same rank."""
    mark = found.mark
    if mark is None or not _untouched(found) or mark.rank != grounds.rank:
        return False
    return mark.facts == grounds.facts and mark.grounds != grounds.fingerprint


def yields(found: StoredReport, to: StoredReport | None, grounds: Grounds, recency: Recency) -> bool:
    """Whether the report stays in error: `to`, a newer version's verdict on the same picture, took its place and still holds."""
    if not found.gave_way or found.mark is None or to is None or to.mark is None:
        return False
    same = to.subject == found.subject and to.mark.content_sha256 == found.mark.content_sha256
    return same and to.status not in WITHDRAWN and _seniority(to.mark) > (_stored(recency), grounds.rank)


def overtaken(settled: StoredReport, latest: StoredReport, grounds: Grounds, recency: Recency) -> bool:
    """Whether the event must be judged again: `latest` is older than the event's picture, or by an older version that looked later.

    Where the record keeps no mark, or where somebody's act on a part keeps Tocsin from writing, judging again would lead nowhere.
    """
    if latest.mark is None or _is_barred(latest.mark, grounds):
        return False
    older = recognised(settled, grounds, recency) and not recognised(latest, grounds, recency)
    return older or _outpaced(latest, latest.mark, grounds, recency)


def untouched(part: str, status: str | None, report: StoredReport) -> bool:
    """Whether nobody but Tocsin has acted on this part of the report, by its status as it stands.

    A part in error was entered so by Tocsin only where the report no longer holds the part, or was taken back with all its parts.
    """
    return status == PRELIMINARY or (status == IN_ERROR and (report.taken_back or part not in report.parts))


def rivals(stored: Place, other: StoredReport, issuer: Issuer) -> bool:
    """Whether only one of the two reports can hold: both are the issuer's, on one Media and patient, by any versions of one model.

    Another model looks for something else, so that its report stands beside this one; so does another installation's.
    """
    return _own_beside(stored, other, issuer) and other.subject == stored.subject


def misplaced(stored: StoredReport, other: StoredReport, issuer: Issuer) -> bool:
    """Whether the issuer's other report on the same Media names another patient, while neither report is withdrawn.

    Only a person knows whose picture each report is about.
    """
    both_call = WITHDRAWN.isdisjoint((stored.status, other.status))
    return both_call and _own_beside(stored, other, issuer) and other.subject != stored.subject


def speaks_of(other: StoredReport, stored: Place, content_sha256: str, issuer: Issuer) -> bool:
    """Whether `other` is the issuer's on the same bytes, Media and patient, by any version of the model, and no clinician withdrew it.

    When those bytes were taken it says for every report on them.
    """
    same = (other.media, other.subject) == (stored.media, stored.subject) and is_own(other, issuer)
    withdrawn = other.status in WITHDRAWN and not other.taken_back
    return same and not withdrawn and other.mark is not None and other.mark.content_sha256 == content_sha256


def newest(standings: Iterable[StoredReport]) -> StoredReport | None:
    """The report that holds, among those on one Media: the newest version's on the picture that was seen last. None where none holds.

    A rehearsal's holds only where no other does.
    """
    marked = [(each, each.mark) for each in standings if each.mark is not None]
    in_earnest = _newest([(each, mark) for each, mark in marked if mark.rehearsal is None])
    return in_earnest or _newest([(each, mark) for each, mark in marked if mark.rehearsal is not None])


def _newest(marked: Collection[tuple[StoredReport, Mark]]) -> StoredReport | None:
    seen = dict[str, Recency]()
    for _, mark in marked:
        seen[mark.content_sha256] = max(mark.recency, seen.get(mark.content_sha256, mark.recency))
    order = {each.reference: (seen[mark.content_sha256], _seniority(mark), mark.recency, each.reference) for each, mark in marked}
    holding = (each for each, _ in marked if each.status not in WITHDRAWN)
    return max(holding, key=lambda each: order[each.reference], default=None)


def successor(stored: StoredReport, others: Iterable[StoredReport]) -> StoredReport | None:
    """The other report to which this one has to give way; None where this one holds, or somebody has acted on it."""
    holds = newest([stored, *(each for each in others if each.reference != stored.reference)])
    return holds if holds is not None and holds.reference != stored.reference and _untouched(stored) else None


def rehearsing(stored: StoredReport) -> bool:
    """Whether the report is a rehearsal's that still stands as Tocsin wrote it: only such a report is taken back."""
    return stored.mark is not None and stored.mark.rehearsal is not None and _untouched(stored)


def is_own(report: StoredReport, issuer: Issuer) -> bool:
    """Whether the issuer wrote the report, by any version of the model: its id follows from its own facts alone."""
    if report.mark is None:
        return False
    model = ModelVersion(issuer.card.name, report.mark.model_version)
    return report.reference == f"DiagnosticReport/{report_id(issuer.source, report.media, report.mark.content_sha256, model)}"


def _own_beside(stored: Place, other: StoredReport, issuer: Issuer) -> bool:
    """Whether `other` is another report of the issuer's own on the same Media."""
    return other.media == stored.media and is_own(other, issuer) and other.reference != stored.reference


def _untouched(stored: StoredReport) -> bool:
    return stored.status == PRELIMINARY and stored.verbatim


def _is_barred(mark: Mark, grounds: Grounds) -> bool:
    """Whether the verdict on these grounds, a rehearsal's, must not touch the report with this mark, which is none."""
    return mark.rehearsal is None and grounds.rehearsal is not None


def _rests_on(mark: Mark, grounds: Grounds) -> bool:
    if mark.rehearsal is not None and grounds.rehearsal is None:
        return False
    return mark.grounds == grounds.fingerprint


def _outranks(grounds: Grounds, recency: Recency, mark: Mark) -> bool:
    return grounds.rank > mark.rank or _on_other_facts(grounds, recency, mark)


def _on_other_facts(grounds: Grounds, recency: Recency, mark: Mark) -> bool:
    """Whether the facts are others than the mark's.

    Other code reads the same facts in its own way: across versions of the code, only a Media that was stored again counts as other facts.
    """
    if grounds.rank.judging == mark.judging:
        return grounds.facts != mark.facts
    return _stored(recency) > _stored(mark.recency)


def _outpaced(latest: StoredReport, mark: Mark, grounds: Grounds, recency: Recency) -> bool:
    """Whether an older version's verdict stands only because that version looked later.

    The newer version's verdict takes its place once the newer version looks again.
    """
    older = grounds.rank > mark.rank and recency < mark.recency
    return older and _untouched(latest) and not _rests_on(mark, grounds)


def _seniority(mark: Mark) -> tuple[datetime, Rank]:
    """The order of verdicts on one picture: by the version of its Media, then by the rank of the version that judged."""
    return _stored(mark.recency), mark.rank


def _stored(recency: Recency) -> datetime:
    """When that version of the Media was stored, aware; _NEVER where the server does not say it."""
    as_of, fetched = recency
    return _NEVER if as_of == fetched else as_of
