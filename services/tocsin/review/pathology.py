"""Finds what pathology said lately about lesions on pictures, and tells the bus of each once: an outcome, which is nobody's agreement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from urllib.parse import quote

from tocsin.archive.ports import Archive
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, as_instant, objects, reference_to, text
from tocsin.fhir.search import answers, resources_of
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import encode
from tocsin.review.ledger import said
from tocsin.review.outcomes import SETTLED, Outcome, Picture, recognised
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
            for outcome in self._outcomes(report, list(told.values()), now):
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

    def _outcomes(self, report: Json, told: Sequence[Outcome], now: datetime) -> list[Outcome]:
        """What the report and its results are for the pictures that they name, and which of those that were `told` they are no longer."""
        orders = {each: self._orders_of(each) for each in self._named(report.get("specimen"))}
        shown = self._named([each.get("link") for each in objects(report.get("media"))])
        ordered = {*self._named(report.get("basedOn")), *(order for each in orders.values() for order in each)}
        media = {reference_to(each): each for each in self._media(shown, sorted(ordered))}
        results = self._named(report.get("result"))
        standing = [each for each in told if each.status in SETTLED and each.found in (reference_to(report), *results)]
        if not media and not standing:
            return []
        spoken = {reference_to(each): each for each in [report, *filter(None, map(self._read, results))]}
        found = list[Outcome]()
        for each in self.archive.reports_on(list(media)) if media else []:
            picture = self._picture(each.report, media[each.media], orders)
            found += filter(None, (self._recognised(resource, picture, now) for resource in spoken.values()))
        known = {(each.report, each.found) for each in found}
        return [*found, *self._taken_back([each for each in standing if (each.report, each.found) not in known], spoken, now)]

    def _taken_back(self, told: Iterable[Outcome], spoken: Mapping[str, Json], now: datetime) -> Iterator[Outcome]:
        """Each that was told and that its resource no longer says of that picture: with its present status, or as entered in error where
        it was set right to be about another patient, picture, order or specimen.
        """
        for each in told:
            resource, media = spoken.get(each.found), self._read(each.media)
            if resource is None or media is None:
                continue  # neither can be asked any more
            orders = {specimen: self._orders_of(specimen) for specimen in self._named(resource.get("specimen"))}
            if self._recognised(resource, self._picture(each.report, media, orders), now) is None:
                status = text(resource.get("status"))
                yield each.model_copy(update={"status": "entered-in-error" if status in SETTLED or not status else status, "at": now})

    def _recognised(self, resource: Json, picture: Picture, now: datetime) -> Outcome | None:
        return recognised(resource, picture, self.source, self.fhir.service_base, now)

    def _picture(self, report: str, media: Json, orders: Mapping[str, frozenset[str]]) -> Picture:
        """What the picture of Tocsin's report can be recognised by; `orders` are those for which each specimen was taken."""
        base = self.fhir.service_base
        own = frozenset(filter(None, map(base.local, objects(media.get("basedOn")))))
        specimens = frozenset(each for each, its in orders.items() if not own.isdisjoint(its))
        return Picture(report, reference_to(media), base.local(media.get("subject")), own, specimens)

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
