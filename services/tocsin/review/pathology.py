"""Finds what pathology said lately about lesions on pictures, and tells the bus of each once: an outcome, which is nobody's agreement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from urllib.parse import quote

from tocsin.archive.ports import Archive
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, as_instant, objects, reference_to
from tocsin.fhir.search import answers, resources_of
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import encode
from tocsin.review.ledger import said
from tocsin.review.outcomes import Outcome, Picture, recognised
from tocsin.settings import VerdictSettings
from tocsin.telemetry.calls import sending
from tocsin.telemetry.log import logger

COUNT: Final = 50
"""Resources asked for in one answer."""
ANSWERS_MAX: Final = 40
"""Most answers read of one search; what stands behind them is found once others have left the window."""
NAMED_MAX: Final = 20
"""Most specimens, results and orders of one report that are looked at."""


@dataclass(frozen=True, slots=True)
class Pathology:
    """Looks at the reports of pathology; harmless where it runs twice at the same time."""

    fhir: FhirClient
    archive: Archive
    reader: TopicReader
    sink: EventSink
    topic: str
    source: str
    """URI of this installation."""
    settings: VerdictSettings

    def find(self, now: datetime) -> int:
        """Tell of what was said within the window until `now` (aware), and return how many outcomes are new or changed.

        Raises Deferred, FhirRejected (Refused) where the server refuses a search, and ContractError (Stop) as its ports do.
        """
        since, told = now - timedelta(seconds=self.settings.look_back_s), dict[tuple[str, str], Outcome]()
        for each in said(self.reader, self.topic, since):
            if isinstance(each, Outcome):
                told[each.report, each.found] = each
        count = 0
        for report in self._reports(now - timedelta(seconds=self.settings.outcome_window_s)):
            for outcome in self._outcomes(report, now):
                if _is_news(outcome, told.get((outcome.report, outcome.found))):
                    with sending(self.topic) as headers:
                        self.sink.send(self.topic, outcome.report.encode("ascii"), encode(outcome), headers)
                    told[outcome.report, outcome.found] = outcome
                    count += 1
        if count:
            logger().info("pathology spoke about pictures", topic=self.topic, found=count)
        return count

    def _reports(self, since: datetime) -> Iterator[Json]:
        """The reports of pathology that were changed since then, the oldest first."""
        categories = ",".join(quote(each, safe="") for each in self.settings.outcome_categories)
        asked = f"category={categories}&_lastUpdated=ge{quote(as_instant(since), safe='')}&_sort=_lastUpdated&_count={COUNT}"
        for bundle in islice(answers(self.fhir, f"DiagnosticReport?{asked}"), ANSWERS_MAX):
            yield from resources_of(bundle, "DiagnosticReport")

    def _outcomes(self, report: Json, now: datetime) -> Iterator[Outcome]:
        """What the report and its results are for the pictures that they name."""
        base = self.fhir.service_base
        by_specimen = {each: self._orders_of(each) for each in self._named(report.get("specimen"))}
        orders = {*self._named(report.get("basedOn")), *(order for orders in by_specimen.values() for order in orders)}
        shown = self._named([each.get("link") for each in objects(report.get("media"))])
        media = {reference_to(each): each for each in self._media(shown, sorted(orders))}
        if not media:
            return
        spoken = [report, *filter(None, map(self._read, self._named(report.get("result"))))]
        for summary in self.archive.reports_on(list(media)):
            of = media[summary.media]
            own = frozenset(filter(None, map(base.local, objects(of.get("basedOn")))))
            specimens = frozenset(each for each, orders in by_specimen.items() if not own.isdisjoint(orders))
            picture = Picture(summary.report, summary.media, base.local(of.get("subject")), own, specimens)
            yield from filter(None, (recognised(each, picture, self.source, base, now) for each in spoken))

    def _orders_of(self, specimen: str) -> frozenset[str]:
        """The orders for which a specimen was taken."""
        found = self._read(specimen)
        return frozenset() if found is None else frozenset(self._named(found.get("request")))

    def _media(self, shown: Sequence[str], orders: Sequence[str]) -> Iterator[Json]:
        """The Media that are named, and those that were taken for one of these orders; never their content."""
        elements = f"_elements=subject,basedOn&_count={COUNT}"
        ids = [each.partition("/")[2] for each in shown if each.startswith("Media/")]
        for query in ([f"_id={','.join(ids)}"] if ids else []) + ([f"based-on={','.join(orders)}"] if orders else []):
            for bundle in islice(answers(self.fhir, f"Media?{query}&{elements}"), ANSWERS_MAX):
                yield from resources_of(bundle, "Media")

    def _named(self, elements: object) -> list[str]:
        """The first references among the elements to resources of this server."""
        stated = elements if isinstance(elements, list) else [elements]
        return list(dict.fromkeys(filter(None, map(self.fhir.service_base.local, stated))))[:NAMED_MAX]

    def _read(self, reference: str) -> Json | None:
        answer = self.fhir.get_with_headers(reference)
        return None if is_absent(answer) else resource_of(accepted(answer, reference), reference)


def _is_news(outcome: Outcome, told: Outcome | None) -> bool:
    return told is None or _said(told) != _said(outcome)


def _said(outcome: Outcome) -> Collection[object]:
    return outcome.status, outcome.link, outcome.findings
