"""The pictures and reports that a FHIR R4 server holds, found by search.

Pages are found by the time of the last update, not by a server's own links, which end with the server. Links are followed within a page.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from tocsin.errors import ContractError, Deferred, FhirRejected
from tocsin.event.model import FHIR_ID
from tocsin.fhir.canonical import ALTERNATE_REFERENCE, REPORT_IDENTIFIER
from tocsin.fhir.client import NEIGHBOUR, FhirClient, Json
from tocsin.image.model import Coding
from tocsin.report.flag import WITHDRAWN
from tocsin.report.mark import ELEMENTS, local, standing_of
from tocsin.settings import BackfillSettings
from tocsin.worker.model import STATED_NOWHERE, Candidate, Cursor, Filed, Page, Query

Parameters = list[tuple[str, str]]

NAMED_MAX: Final = 50
"""Most ids in one search: addresses of more than some 8,000 characters are refused here and there."""
PAGE_MAX: Final = 200
"""Resources asked for in one answer where all of them are wanted; a server may give fewer."""

_MEDIA: Final = "status,subject,modality,type,created,meta"
"""Never the content: it may hold the whole picture."""
_REPORT: Final = f"{ELEMENTS},performer,meta"

_PATIENT = re.compile(rf"^(Patient/{FHIR_ID})(?:/_history/{FHIR_ID})?$")
_PLAIN_IMAGE: Final = Coding("http://terminology.hl7.org/CodeSystem/media-type", "image")


@dataclass(frozen=True, slots=True)
class _Entry:
    reference: str
    updated: datetime
    resource: Json


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
        bundle = self._fhir.search(_path("Media", [*_parameters(query), ("_summary", "count")]))
        total = bundle.get("total")
        if not isinstance(total, int):
            raise ContractError("the FHIR server does not say how many Media match (_summary=count)")
        return total

    def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
        """See Archive.media.

        What was updated within `settle_s` before now ends a page early: it may have been moved there while the page was read, and a
        server's commits come in another order than their times.
        """
        reading = _Reading(count, self._settings.same_instant_max, self._now() - timedelta(seconds=self._settings.settle_s))
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
        asked = [*_parameters(query), *_between(since, until), *_ordered(PAGE_MAX), ("_elements", _MEDIA)]
        for entry in self._entries("Media", asked):
            if since <= entry.updated <= until and isinstance(candidate := self._candidate(entry, query), Candidate):
                yield candidate

    def named(self, media: Collection[str]) -> list[Candidate]:
        """See Archive.named."""
        found = self._by_id("Media", media, _MEDIA)
        return [candidate for entry in found if isinstance(candidate := self._candidate(entry, Query()), Candidate)]

    def filed(self, since: datetime, until: datetime) -> Iterator[Filed]:
        """See Archive.filed: known by their performer, a Device of this installation."""
        devices = {
            entry.reference for entry in self._entries("Device", [("identifier", f"{_escaped(self._source)}|"), *_ordered(PAGE_MAX)])
        }
        asked = [("identifier", f"{REPORT_IDENTIFIER}|"), *_between(since, until), *_ordered(PAGE_MAX), ("_elements", _REPORT)]
        for entry in self._entries("DiagnosticReport", asked):
            standing = standing_of(entry.resource)
            if standing.media and since <= entry.updated <= until and devices & set(_performers(entry.resource)):
                calls = standing.verbatim and standing.status not in WITHDRAWN
                yield Filed(entry.reference, standing.media, standing.issued or entry.updated, entry.updated, calls)

    def existing(self, reports: Collection[str]) -> set[str]:
        """See Archive.existing."""
        return {entry.reference for entry in self._by_id("DiagnosticReport", reports, "status,meta")}

    def _by_id(self, kind: str, references: Collection[str], elements: str) -> Iterator[_Entry]:
        ids = sorted({each.rpartition("/")[2] for each in references})
        for start in range(0, len(ids), NAMED_MAX):
            some = ",".join(ids[start : start + NAMED_MAX])
            yield from self._entries(kind, [("_id", some), ("_count", str(NAMED_MAX)), ("_elements", elements)])

    def _behind(self, query: Query, cursor: Cursor | None, count: int) -> Iterator[_Entry]:
        """By their last update; where a cursor's last Media is no longer at its place, all of its time of update are read anew."""
        asked = [*_parameters(query), *_ordered(count + 1), ("_elements", _MEDIA)]  # one more shows whether the page is complete
        if cursor is None:
            return self._entries("Media", asked)
        since = _stated_instant(cursor.updated)
        if cursor.after is None:
            behind = self._entries("Media", [*asked, ("_lastUpdated", f"gt{cursor.updated}")])
            return (entry for entry in behind if entry.updated > since)
        return self._behind_marker([*asked, ("_lastUpdated", f"ge{cursor.updated}")], since, cursor.after)

    def _behind_marker(self, asked: Parameters, since: datetime, marker: str) -> Iterator[_Entry]:
        entries = self._entries("Media", asked)
        for entry in entries:
            if entry.reference == marker and entry.updated == since:
                return entries
            if entry.updated > since:
                break
        return self._entries("Media", asked)

    def _entries(self, kind: str, asked: Parameters) -> Iterator[_Entry]:
        """Every match, over as many answers as the server makes of it."""
        bundle = self._fhir.search(_path(kind, asked))
        while True:
            yield from _entries_of(bundle, kind)
            following = next((link.get("url") for link in bundle.get("link", []) if link.get("relation") == "next"), None)
            if following is None:
                return
            bundle = self._following(str(following), kind)

    def _following(self, url: str, kind: str) -> Json:
        """A link is followed at the address that the settings name: a server behind a gateway may know itself by another."""
        parts = urlsplit(url)
        tail = parts.path[parts.path.rfind(f"/{kind}") + 1 :] if f"/{kind}" in parts.path else ""
        try:
            return self._fhir.search(f"{tail}?{parts.query}")
        except FhirRejected as refused:
            raise Deferred(NEIGHBOUR, f"the server does not go on with its own search ({refused.detail})") from None

    def _candidate(self, entry: _Entry, query: Query) -> Candidate | str:
        """The picture, or the reason why it may not be announced."""
        media = entry.resource
        subject = _PATIENT.match(str((media.get("subject") or {}).get("reference", "")).removeprefix(self._fhir.base_url + "/"))
        if media.get("status") != "completed":
            return "not-completed"
        if subject is None:
            return "no-local-patient"
        if not _of_modality(media, query.modality):
            return "other-modality"
        version = str(media["meta"].get("versionId", media["meta"]["lastUpdated"]))
        return Candidate(entry.reference, subject[1], version, _instant(media.get("createdDateTime")) or entry.updated, entry.updated)


class _Reading:
    """What a page takes of the Media that come one after the other."""

    def __init__(self, count: int, same_instant_max: int, settled_until: datetime) -> None:
        self._count = count
        self._same_instant_max = max(count, same_instant_max)
        self._settled_until = settled_until
        self.settled: list[_Entry] = []
        self.fresh: list[_Entry] = []
        self._complete = False

    def take(self, entry: _Entry) -> bool:
        """False where the page is full, and this one stands behind it."""
        if entry.updated > self._settled_until:
            self.fresh.append(entry)
            return len(self.fresh) <= self._count
        if self.settled and entry.updated < self.settled[-1].updated:
            raise ContractError("the FHIR server does not sort Media by _lastUpdated: nothing could be read on from one page to the next")
        if len(self.settled) >= self._count and entry.updated > self.settled[-1].updated:
            self._complete = True
            return False
        if len(self.settled) >= self._same_instant_max:
            return False
        self.settled.append(entry)
        return True

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last that has settled; None where none has."""
        if not self.settled:
            return None
        entry = self.settled[-1]
        return Cursor(updated=entry.resource["meta"]["lastUpdated"], after=None if self._complete else entry.reference)


def _path(kind: str, asked: Parameters) -> str:
    return f"{kind}?{urlencode(asked, safe=':', quote_via=quote)}"


def _parameters(query: Query) -> Parameters:
    asked = [(name, value) for name, _, value in (each.partition("=") for each in query.where)]
    asked += [("created", f"{prefix}{day}") for prefix, day in (("ge", query.created_from), ("le", query.created_to)) if day is not None]
    asked += [] if query.site is None else [("site", query.site)]
    asked += [] if not query.modality or STATED_NOWHERE in query.modality else [("modality", ",".join(query.modality))]
    return asked


def _ordered(count: int) -> Parameters:
    return [("_sort", "_lastUpdated,_id"), ("_count", str(count))]


def _between(since: datetime, until: datetime) -> Parameters:
    return [
        ("_lastUpdated", f"ge{since.isoformat(timespec='milliseconds')}"),
        ("_lastUpdated", f"le{until.isoformat(timespec='milliseconds')}"),
    ]


def _entries_of(bundle: Json, kind: str) -> Iterator[_Entry]:
    for each in bundle.get("entry", []):
        resource = each.get("resource") or {}
        if resource.get("resourceType") == kind:  # a searchset may hold an OperationOutcome too
            updated = _stated_instant((resource.get("meta") or {}).get("lastUpdated"))
            yield _Entry(f"{kind}/{resource['id']}", updated, resource)


def _stated_instant(text: Any) -> datetime:
    instant = _instant(text)
    if instant is None:
        raise ContractError("the FHIR server states no meta.lastUpdated: nothing could be read on from one page to the next")
    return instant


def _instant(text: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _of_modality(media: Json, wanted: Collection[str]) -> bool:
    """Whether it fits where the server was not asked, since a search cannot name what is absent everywhere."""
    if STATED_NOWHERE not in wanted:
        return True
    stated = {coding for name in ("modality", "type") for coding in _codings(media.get(name))} - {_PLAIN_IMAGE}
    return not stated or any(f"{each.system}|{each.code}" in wanted or each.code in wanted for each in stated)


def _codings(concept: Any) -> Iterator[Coding]:
    for each in (concept or {}).get("coding", []):
        yield Coding(each.get("system"), str(each.get("code")))


def _performers(report: Json) -> Iterator[str]:
    extensions = itertools.chain.from_iterable(each.get("extension", []) for each in report.get("performer", []))
    for each in extensions:
        if each.get("url") == ALTERNATE_REFERENCE:
            yield local(each.get("valueReference"))


def _escaped(token: str) -> str:
    """FHIR R4, search.html#escaping."""
    return re.sub(r"([\\$,|])", r"\\\1", token)
