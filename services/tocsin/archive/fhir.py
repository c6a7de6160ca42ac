"""The pictures and reports that a FHIR R4 server holds, found by search.

A page begins behind a time of last update, not at a link of the server, which a restart ends. Links are followed within a page.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

from tocsin.archive.ports import SearchRefused
from tocsin.archive.reports import REPORT_ELEMENTS, summaries_by
from tocsin.archive.search import (
    Entry,
    Parameters,
    between,
    each_once,
    entries_of,
    escaped,
    impossible,
    of_modality,
    one_by_one,
    ordered,
    overlap,
    path,
    search_parameters,
    searches,
    stated_instant,
)
from tocsin.archive.types import Candidate, Cursor, Page, Query, ReportSummary
from tocsin.errors import ContractError, FhirRejected, Unavailable
from tocsin.fhir.canonical import REPORT_IDENTIFIER
from tocsin.fhir.client import FhirClient, accepted, json_of
from tocsin.fhir.datatypes import Json, instant, state_of, text
from tocsin.fhir.search import answers
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.settings import BackfillSettings

NAMED_MAX: Final = 50
"""Most ids in one search: some servers refuse addresses of more than about 8,000 characters."""
PAGE_MAX: Final = 200
"""Resources asked for in one answer where all of them are wanted; a server may give fewer."""

_MEDIA: Final = "status,subject,modality,type,created,meta"
"""The elements of a Media that are asked for; never its content, which may hold the whole picture."""
_TOCSINS: Final[Parameters] = [("identifier", f"{REPORT_IDENTIFIER}|"), ("_elements", REPORT_ELEMENTS)]
"""The search for reports of any installation of Tocsin; a report's performer tells of which one."""


def _completed(status: Any) -> bool:
    """Whether a Media is completed.

    Tocsin announces no other by itself: it may still change, and its source announces it once it is a picture.
    """
    return bool(status == "completed")


def _judged(status: Any) -> bool:
    """Whether the journey judges a Media of this status: any that is not withdrawn."""
    return status not in WITHDRAWN_MEDIA


class FhirArchive:
    """Adapter of the Archive port. Safe for threads."""

    def __init__(self, fhir: FhirClient, source: str, settings: BackfillSettings, now: Callable[[], datetime]) -> None:
        """`source` is the URI of this installation, `now` gives aware times."""
        self._fhir = fhir
        self._source = source
        self._settings = settings
        self._now = now

    def count(self, query: Query) -> int:
        """See Archive.count."""
        try:
            counts = [self._count(asked) for asked in searches(query)]
            total = sum(counts) - (self._count(overlap(query)) if len(counts) > 1 else 0)
        except SearchRefused as refused:
            raise self._blamed(query, refused) from None
        if total:
            self._be_understood(query)
        return total

    def _count(self, asked: Parameters) -> int:
        total = self._search(path("Media", [*asked, ("_summary", "count")]), "Media").get("total")
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise ContractError("the FHIR server does not say how many Media match (_summary=count); see `tocsin check`")
        return total

    def _be_understood(self, query: Query) -> None:
        """Raise SearchRefused where the server passes over a search parameter (FHIR R4, search.html#errors).

        Each parameter is tried with a value that nothing has: a server that finds Media all the same has passed it over, whatever handling
        was asked of it. A server that refuses the value has looked at the parameter.
        """
        for name, asked in impossible(query):
            try:
                found = self._count(asked)
            except SearchRefused:
                continue
            if found:
                raise SearchRefused(
                    f"the FHIR server passes over the search parameter {name} of Media, so that everything would be announced"
                    f"{self._known(name)}"
                )

    def _blamed(self, query: Query, refused: SearchRefused) -> SearchRefused:
        """The refusal, with the search parameter at fault where the server refuses that one alone too."""
        for name, asked in one_by_one(query):
            try:
                self._count(asked)
            except SearchRefused as alone:
                return SearchRefused(f"the FHIR server refuses the search parameter {name} of Media ({alone.detail}){self._known(name)}")
        return refused

    def _known(self, name: str) -> str:
        """A sentence with the search parameters that the server names, the nearest first; empty where it names this one, or none."""
        try:
            statement = json_of(accepted(self._fhir.get("metadata"), "metadata"), "metadata")
        except (Unavailable, FhirRejected):
            return ""
        known = search_parameters(statement, "Media")
        base = name.partition(".")[0].partition(":")[0]
        if not known or base in known:
            return ""
        nearest = get_close_matches(base, known, n=1)
        return f": it knows no {base}{f', did you mean {nearest[0]}?' if nearest else ''} It knows {', '.join(known)}"

    def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
        """See Archive.media.

        A page ends early before a Media that was updated within `settle_s` (seconds) before now: it may have been moved there while the
        page was read, and a server's commits come in another order than their times.
        """
        reading = _Reading(count, self._now() - timedelta(seconds=self._settings.settle_s))
        last = all(map(reading.take, self._behind(query, cursor, count)))
        return self._page(query, reading, cursor, last)

    def _page(self, query: Query, reading: _Reading, cursor: Cursor | None, last: bool) -> Page:
        taken = [*reading.settled, *(reading.fresh if last else ())]
        sorted_out = [self._candidate(each, query) for each in taken]
        skipped = Counter(each for each in sorted_out if isinstance(each, str))
        candidates = tuple(each for each in sorted_out if isinstance(each, Candidate))
        return Page(candidates, dict(skipped), reading.cursor or cursor, last)

    def changed(self, query: Query, since: datetime, until: datetime) -> Iterator[Candidate]:
        """See Archive.changed."""
        asked = [*between("_lastUpdated", since, until), *ordered(PAGE_MAX), ("_elements", _MEDIA)]
        for entry in self._found(query, asked):
            if since <= entry.updated <= until and isinstance(candidate := self._candidate(entry, query), Candidate):
                yield candidate

    def named(self, media: Collection[str]) -> list[Candidate]:
        """See Archive.named."""
        found = self._some("Media", "_id", map(_id, media), [("_elements", _MEDIA)])
        return [candidate for entry in found if isinstance(candidate := self._candidate(entry, Query(), _judged), Candidate)]

    def summaries(self, since: datetime, until: datetime) -> Iterator[ReportSummary]:
        """See Archive.summaries."""
        asked = [*between("_lastUpdated", since, until), *ordered(PAGE_MAX), *_TOCSINS]
        found = summaries_by(self._devices(), self._entries("DiagnosticReport", asked), self._fhir.service_base)
        return (each for each in found if since <= each.touched <= until)

    def reports_on(self, media: Collection[str]) -> list[ReportSummary]:
        """See Archive.reports_on."""
        if not media:
            return []
        return list(summaries_by(self._devices(), self._some("DiagnosticReport", "media", media, _TOCSINS), self._fhir.service_base))

    def _devices(self) -> set[str]:
        """The Devices (references) of this installation, one for each version of the model."""
        asked = [("identifier", f"{escaped(self._source)}|"), *ordered(PAGE_MAX)]
        return {entry.reference for entry in self._entries("Device", asked)}

    def existing(self, reports: Collection[str]) -> set[str]:
        """See Archive.existing."""
        found = self._some("DiagnosticReport", "_id", map(_id, reports), [("_elements", "status,meta")])
        return {entry.reference for entry in found}

    def _some(self, kind: str, parameter: str, values: Iterable[str], more: Parameters) -> Iterator[Entry]:
        wanted = sorted(set(values))
        for start in range(0, len(wanted), NAMED_MAX):
            some = ",".join(wanted[start : start + NAMED_MAX])
            yield from self._entries(kind, [(parameter, some), ("_count", str(NAMED_MAX)), *more])

    def _found(self, query: Query, more: Parameters) -> Iterator[Entry]:
        """The Media that match, sorted by their last update; each once, whichever search finds it."""
        streams = [self._entries("Media", [*asked, *more]) for asked in searches(query)]
        return streams[0] if len(streams) == 1 else each_once(heapq.merge(*streams, key=lambda entry: entry.updated))

    def _behind(self, query: Query, cursor: Cursor | None, count: int) -> Iterator[Entry]:
        """The Media behind the cursor, sorted by their last update.

        Where the cursor's last Media is no longer at its place, all Media of the same time of update are read again.
        """
        asked = [*ordered(count + 1), ("_elements", _MEDIA)]  # one more shows whether the page is complete
        if cursor is None:
            return self._found(query, asked)
        since = stated_instant(cursor.updated, cursor.after or "the last Media read")
        if cursor.after is None:
            behind = self._found(query, [*asked, ("_lastUpdated", f"gt{cursor.updated}")])
            return (entry for entry in behind if entry.updated > since)
        asked = [*ordered(max(count + 1, PAGE_MAX)), ("_elements", _MEDIA)]  # what was read of the same time is read again
        return self._behind_marker(query, [*asked, ("_lastUpdated", f"ge{cursor.updated}")], since, cursor.after)

    def _behind_marker(self, query: Query, asked: Parameters, since: datetime, marker: str) -> Iterator[Entry]:
        entries = self._found(query, asked)
        for entry in entries:
            if entry.reference == marker and entry.updated == since:
                return entries
            if entry.updated > since:
                break
        return self._found(query, asked)

    def _entries(self, kind: str, asked: Parameters) -> Iterator[Entry]:
        """Every resource that matches, over as many answers as the server gives."""
        try:
            for bundle in answers(self._fhir, path(kind, asked)):
                yield from entries_of(bundle, kind)
        except FhirRejected as refused:
            raise SearchRefused(refused.detail, reference=kind) from None

    def _search(self, asked: str, kind: str) -> Json:
        try:
            return self._fhir.search(asked)
        except FhirRejected as refused:
            raise SearchRefused(refused.detail, reference=kind) from None

    def _candidate(self, entry: Entry, query: Query, fits: Callable[[Any], bool] = _completed) -> Candidate | str:
        """The picture, or the reason why it may not be announced."""
        media = entry.resource
        subject = self._fhir.service_base.local(media.get("subject"))
        if not fits(text(media.get("status"))):
            return "not-completed"
        if not subject.startswith("Patient/"):
            return "no-local-patient"
        if not of_modality(media, query.modality):
            return "other-modality"
        version = state_of(media) or entry.updated.isoformat()
        return Candidate(entry.reference, subject, version, instant(media.get("createdDateTime")) or entry.updated, entry.updated)


class _Reading:
    """Takes Media into a page, one after the other."""

    def __init__(self, count: int, settled_until: datetime) -> None:
        self._count = count
        self._settled_until = settled_until
        self.settled: list[Entry] = []
        self.fresh: list[Entry] = []
        self._complete = False

    def take(self, entry: Entry) -> bool:
        """Take the entry; False where the page is full and the entry stands behind it."""
        if entry.updated > self._settled_until:
            self.fresh.append(entry)
            return len(self.fresh) <= self._count
        if self.settled and entry.updated < self.settled[-1].updated:
            raise ContractError(
                "the FHIR server does not sort Media by _lastUpdated, so that pages cannot follow one another; see "
                "`work: search for pictures` in `tocsin check`"
            )
        if len(self.settled) >= self._count:
            self._complete = entry.updated > self.settled[-1].updated
            return False
        self.settled.append(entry)
        return True

    @property
    def cursor(self) -> Cursor | None:
        """The cursor behind the last Media that has settled; None where none has."""
        if not self.settled:
            return None
        entry = self.settled[-1]
        return Cursor(updated=entry.resource["meta"]["lastUpdated"], after=None if self._complete else entry.reference)


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]
