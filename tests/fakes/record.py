"""A FHIR server in memory, behind the real client: what a reader may read, and what they are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from tocsin.errors import FHIR, Unavailable
from tocsin.fhir.client import FHIR_JSON, FhirClient
from tocsin.fhir.datatypes import Json, objects, reference_to
from tocsin.fhir.http import Answer, Get, HeadedAnswer, Http
from tocsin.settings import FhirSettings

BASE = "https://ehr.test/fhir"


@dataclass
class FakeRecord:
    """Resources by reference, and how the server answers."""

    resources: dict[str, Json] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Reference, or type of a search -> the status that it is answered with."""
    refusal: str = "processing"
    """Code of the OperationOutcome in a refusal (FHIR R4, issue-type)."""
    away: bool = False
    unknown_parameters: frozenset[str] = frozenset()
    """Search parameters that the server passes over, as FHIR lets it."""
    heeds_prefer: bool = False
    """Whether it refuses a search by such a parameter where that is asked for strictly."""
    page_max: int = 1000
    """Most resources on one page of a search."""
    goes_on: bool = False
    """Whether each search has a next page, which leads nowhere."""
    asked: list[str] = field(default_factory=list)
    """Paths below the base address, in order."""
    tokens: list[str] = field(default_factory=list)

    def keep(self, *resources: Json) -> None:
        """Store each as its next version."""
        for each in resources:
            reference = reference_to(each)
            version = int(self.resources.get(reference, {}).get("meta", {}).get("versionId", "0")) + 1
            self.resources[reference] = each | {"meta": each.get("meta", {}) | {"versionId": str(version)}}

    def client(self, token: str = "reader's") -> FhirClient:
        """A client with this token."""
        return FhirClient(FhirSettings(base_url=BASE, bearer_token=token), _KeptHttp(self))

    def answer(self, path: str, *, strictly: bool = False) -> Answer:
        """What the server answers to a GET."""
        kind, _, query = path.partition("?")
        if self.away:
            raise Unavailable(FHIR, "no answer: connection refused")
        if kind in self.refused:
            return _outcome(self.refused[kind], self.refusal)
        if query:
            asked = parse_qs(query)
            if strictly and self.heeds_prefer and not self.unknown_parameters.isdisjoint(asked):
                return _outcome(400)
            return Answer(200, FHIR_JSON, orjson.dumps(self._found(kind, asked)))
        if kind not in self.resources:
            return _outcome(404)
        return Answer(200, FHIR_JSON, orjson.dumps(self.resources[kind]))

    def _found(self, kind: str, asked: Mapping[str, list[str]]) -> Json:
        passed_over = self.unknown_parameters
        wanted = {name: values[0] for name, values in asked.items() if not name.startswith("_") and name not in passed_over}
        found = [each for each in self.resources.values() if each["resourceType"] == kind and _matches(each, wanted)]
        first = int(asked.get("_offset", ["0"])[0])
        last = first + self.page_max
        leads_to = f"{BASE}?_getpages=1" if self.goes_on else f"{BASE}/{kind}?{urlencode({**asked, '_offset': [last]}, doseq=True)}"
        more = {"link": [{"relation": "next", "url": leads_to}]} if self.goes_on or last < len(found) else {}
        return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in found[first:last]], **more}


def _matches(resource: Json, wanted: Mapping[str, str]) -> bool:
    def named(element: Any) -> list[str]:
        return [each.get("reference", "") for each in (objects(element) or [element or {}])]

    systems = {f"{each.get('system')}|" for each in objects(resource.get("identifier"))}
    return all(value in (systems if name == "identifier" else named(resource.get(name))) for name, value in wanted.items())


def _outcome(status: int, code: str = "processing") -> Answer:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
    return Answer(status, FHIR_JSON, orjson.dumps(outcome))


class _KeptHttp(Http):
    """Exchanges with the record in memory."""

    def __init__(self, record: FakeRecord) -> None:
        super().__init__(connect_timeout_s=1, request_timeout_s=1)
        self._record = record

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        assert (method, url[: len(BASE) + 1]) == ("GET", f"{BASE}/"), "the page reads below the issuer's base address alone"
        parts = urlsplit(url)
        path = url.removeprefix(f"{BASE}/") if parts.query else parts.path.removeprefix("/fhir/")
        self._record.asked.append(path)
        self._record.tokens.append(headers.get("Authorization", ""))
        return self._record.answer(path, strictly=headers.get("Prefer") == "handling=strict")

    def exchange_with_headers(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> HeadedAnswer:
        found = self.exchange(method, url, neighbour=neighbour, headers=headers, body=body, body_bytes_max=body_bytes_max)
        return HeadedAnswer(found.status, found.media_type, found.body, headers={})

    def side_by_side(self, asked: Mapping[int, Get], *, neighbour: str) -> Iterator[tuple[int, Answer | Exception]]:
        for number, each in asked.items():
            try:
                yield number, self.exchange("GET", each.url, neighbour=neighbour, headers=each.headers, body_bytes_max=each.body_bytes_max)
            except Unavailable as error:
                yield number, error
