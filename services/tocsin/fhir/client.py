"""Client of the hospital's FHIR R4 server: reads, searches, writes, and turns refusals into Tocsin's errors."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import orjson

from tocsin.errors import ConfigurationError, Contended, FhirRejected, Unavailable
from tocsin.fhir.address import Address, NoAddress, address, climbs
from tocsin.fhir.datatypes import Json, an_object, etag, objects, reference_to, text, version_of
from tocsin.fhir.exchanges import Exchanges, Request, Send, alone, side_by_side
from tocsin.fhir.http import Answer, BodyTooLarge, HeadedAnswer, Http
from tocsin.fhir.outcome import issues, outcome_codes
from tocsin.fhir.reference import ServiceBase
from tocsin.fhir.route import route
from tocsin.fhir.secret import TOKEN, Secret
from tocsin.settings import FhirSettings
from tocsin.telemetry.calls import http_request, request_id

FHIR_JSON = "application/fhir+json"
NEIGHBOUR = "fhir"

_BUSY = frozenset({401, 403, 408, 409, 412, 423, 425, 429})
"""4xx statuses that are not about the content but about rights, contention or haste: the event keeps its place."""


_CONTENDED = frozenset({409, 412, 423})
"""Statuses of a healthy server where another client was quicker: conflict, failed precondition, lock (RFC 9110, RFC 4918)."""

_ABSENT = frozenset({404, 410})
_NO_HEADERS: Final[Mapping[str, str]] = {}

_ETAG: Final = re.compile(r'(?:W/)?"?([A-Za-z0-9.-]{1,64}?)(?:[-;](?:gzip|br|deflate))?"?')
_STATUS: Final = re.compile(r"(?:HTTP/[0-9.]+ )?([1-5][0-9]{2})(?![0-9])")
_RIGHTS: Final = {401: "the token is missing, wrong or expired", 403: "this client has no right to it"}
_OF_RIGHTS: Final = frozenset({"security", "login", "forbidden", "suppressed"})
"""Issue codes (FHIR R4, issue-type) behind a 404 or 400 that hides what this client may not see or do."""
T = TypeVar("T")
AnyAnswer = TypeVar("AnyAnswer", bound=Answer)

_PRESENT: Final = {"Cache-Control": "no-cache"}
_SEARCHING: Final = {**_PRESENT, "Prefer": "handling=strict"}
"""FHIR R4, search.html: strict handling refuses an unknown parameter, where a lenient server would find more than was asked for."""


def is_deferrable(status: int) -> bool:
    """Whether the same request may be accepted later: any 5xx, and the statuses that speak of the moment, not of the content."""
    return status >= 500 or status in _BUSY


def deferral(neighbour: str, status: int, detail: str, retry_after_s: float | None = None) -> Contended | Unavailable:
    """The error for a deferrable status: Contended where the server is healthy, else Unavailable with the wait that it asked for."""
    if status in _CONTENDED:
        return Contended(neighbour, detail)
    return Unavailable(neighbour, detail, retry_after_s=retry_after_s)


class TokenRefused(Unavailable):
    """The server takes the client's token no longer (401): nothing is read or written until there is another."""


class NoRight(Unavailable):
    """The server refuses this client by its rights (403, or an OperationOutcome that says so). It is healthy."""


class NotSaid(Unavailable):
    """The server took a transaction and did not say what became of each entry; the entries may have been written."""


def http_of(settings: FhirSettings, heard: Callable[[], None] = lambda: None) -> Http:
    """The HTTP connections to the FHIR server, as its settings say. `heard` is called on the asking thread after each whole answer."""
    return Http(
        connect_timeout_s=settings.connect_timeout_s,
        request_timeout_s=settings.request_timeout_s,
        proxy_url=settings.proxy_url,
        tls_ca_file=settings.tls_ca_file,
        heard=heard,
    )


class FhirClient:
    """Client of one FHIR server. Safe for threads. The token goes to the server's base address only."""

    def __init__(self, settings: FhirSettings, http: Http | None = None) -> None:
        self._settings = settings
        self._http = http or http_of(settings)
        self._url = settings.base_url.rstrip("/")
        self._base = self._address_of(f"{self._url}/")
        token, file = settings.bearer_token, settings.bearer_token_file
        self._token = (
            Secret(token, file, neighbour=NEIGHBOUR, setting="TOCSIN_FHIR__BEARER_TOKEN_FILE", form=TOKEN) if token or file else None
        )

    @property
    def base_url(self) -> str:
        """Where the server's API begins, without a trailing slash."""
        return self._url

    @property
    def service_base(self) -> ServiceBase:
        """Tells references to this server's resources from all others."""
        return ServiceBase((self.base_url, *self._settings.also_known_as))

    @staticmethod
    def _address_of(base_url: str) -> Address:
        try:
            found = address(base_url)
        except NoAddress as reason:
            raise ConfigurationError(f"TOCSIN_FHIR__BASE_URL is not an address: {reason}") from None
        if climbs(found.path):
            raise ConfigurationError("TOCSIN_FHIR__BASE_URL leads upwards (`..`): write where it leads to")
        return found

    @property
    def base(self) -> Address:
        """The base address, with a slash at its end."""
        return self._base

    def owns(self, url: str) -> bool:
        """Whether an absolute address lies below this server's base address."""
        try:
            return address(url).below(self._base) is not None
        except NoAddress:
            return False

    def read(self, reference: str, *, unknown: Callable[[], Exception]) -> Json:
        """The resource that a relative reference names.

        Raises what `unknown` makes for 404 and 410, Deferred when the server is busy or away, FhirRejected for other refusals.
        """
        return alone(self.reading(reference, unknown=unknown))

    def reading(self, reference: str, *, unknown: Callable[[], Exception]) -> Exchanges[Json]:
        """`read`, for `together`."""
        answer = yield from self._exchanges(self._http.exchange, "GET", f"/{reference}")
        if is_absent(answer):
            raise unknown()
        return json_of(accepted(answer, reference), reference)

    def together(self, *ways: Exchanges[T]) -> list[Callable[[], T]]:
        """Begin all of these with a GET each, side by side; gives for each what returns its result, or raises its error.

        Each ends as it does alone. What follows on a first answer (a token was renewed) is asked for at once, and the others wait.
        """
        return side_by_side(self._http, ways)

    def put(self, resource: Json, *, version: str | None = None) -> None:
        """Create the resource under its own id, or replace it: only while `version` stands, if given. Raises Deferred or FhirRejected."""
        reference = reference_to(resource)
        answer = self._exchange(self._http.exchange, "PUT", f"/{reference}", more=if_match(version), body=orjson.dumps(resource))
        accepted(answer, reference, "update")

    def get(self, path: str, *, accept: str = FHIR_JSON, body_bytes_max: int | None = None) -> Answer:
        """Whatever the server answers to GET base/path.

        Raises Unavailable(fhir) without an answer, and BodyTooLarge where the answer is larger than a given `body_bytes_max`.
        """
        return self._exchange(self._http.exchange, "GET", f"/{path}", accept=accept, body_bytes_max=body_bytes_max)

    def getting(self, path: str) -> Exchanges[Answer]:
        """`get`, for `together`; from the server's present state, as `search` asks for it."""
        return self._exchanges(self._http.exchange, "GET", f"/{path}", more=_PRESENT)

    def searching(self, path: str) -> Exchanges[Answer]:
        """`getting`, by every parameter of a search: strictly, as `search` asks."""
        return self._exchanges(self._http.exchange, "GET", f"/{path}", more=_SEARCHING)

    def get_with_headers(self, path: str) -> HeadedAnswer:
        """As `get`, for who reads the answer's version or date from its headers; it costs more."""
        return self._exchange(self._http.exchange_with_headers, "GET", f"/{path}")

    def search(self, path: str) -> Json:
        """The Bundle that answers a search, from the server's present state and by every parameter of the search.

        Unless told not to, a server may reuse an earlier answer to the same search (HAPI: for a minute) and pass over parameters that it
        does not know. Raises Unavailable(fhir), and FhirRejected where the server refuses the search.
        """
        reference = path.partition("?")[0]
        return json_of(accepted(alone(self.searching(path)), reference, "search"), reference)

    def transact(self, bundle: Json, reference: str) -> list[Json]:
        """POST a transaction and return its entries' responses, each accepted.

        A transaction may be processed with batch semantics, so a refusal can hide in an entry: the first one is raised
        as Contended(fhir), Unavailable(fhir) or FhirRejected. Raises NotSaid where the server took the transaction and does not answer for
        every entry.
        `reference` is what an operator would look for.
        """
        url = self._settings.base_url
        answer = self._exchange(self._http.exchange, "POST", url.removeprefix(self._url), body=orjson.dumps(bundle))
        if 300 <= answer.status < 400:
            raise Unavailable(NEIGHBOUR, f"HTTP {answer.status} to the transaction for {reference}: {_leads_to(answer, url)}")
        responses = _responses(accepted(answer, reference, "transaction"), reference, len(bundle["entry"]))
        for response in responses:
            _entry_accepted(response, reference)
        return responses

    def _exchange(self, send: Send[AnyAnswer], method: str, below: str, **more: Any) -> AnyAnswer:
        """`_exchanges`, alone."""
        return alone(self._exchanges(send, method, below, **more))

    def _exchanges(
        self,
        send: Send[AnyAnswer],
        method: str,
        below: str,
        *,
        accept: str = FHIR_JSON,
        more: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
        body_bytes_max: int | None = None,
    ) -> Exchanges[AnyAnswer]:
        """The answer for what lies below the base address: nothing, or a path that begins with a slash."""
        path = below.partition("?")[0]
        if climbs(path):
            raise FhirRejected("the reference's path climbs out of TOCSIN_FHIR__BASE_URL (`..`), so that nothing was asked")
        headers = {"Accept": accept, "X-Request-Id": request_id(), **more}
        if body is not None:
            headers["Content-Type"] = FHIR_JSON
        limit = body_bytes_max or self._settings.answer_bytes_max
        try:
            return (yield from self._authorised(send, method, below, headers, body, limit))
        except BodyTooLarge:
            if body_bytes_max is not None:
                raise
            said = f"the answer has more than {limit} bytes (TOCSIN_FHIR__ANSWER_BYTES_MAX)"
            raise FhirRejected(said, reference=path.strip("/") or None) from None

    def _authorised(
        self, send: Send[AnyAnswer], method: str, below: str, headers: dict[str, str], body: bytes | None, limit: int
    ) -> Exchanges[AnyAnswer]:
        """Send the request with the token, and again after a 401 if the token's file holds another token by now."""
        if self._token is None:
            return (yield from self._traced(send, method, below, headers, body, limit))
        token = self._token()
        answer = yield from self._traced(send, method, below, headers | _bearing(token), body, limit)
        if answer.status == 401 and self._token.renewed(token):
            return (yield from self._traced(send, method, below, headers | _bearing(self._token()), body, limit))
        return answer

    def _traced(
        self, send: Send[AnyAnswer], method: str, below: str, headers: dict[str, str], body: bytes | None, limit: int
    ) -> Exchanges[AnyAnswer]:
        with http_request(method, route(below), self._base.host, self._base.port) as request:
            headers |= request.headers
            answer: AnyAnswer = yield Request(send, NEIGHBOUR, method, self._url + below, headers, body, limit)
            request.answered(answer.status)
            return answer


def _bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def is_absent(answer: Answer) -> bool:
    """Whether the FHIR server itself says that there is no such resource.

    A gateway in front of the server answers 404 too, while the server is being replaced; only an OperationOutcome is the server's own
    word. An OperationOutcome about rights says that the resource is hidden, not that there is none.
    """
    return answer.status in _ABSENT and b"OperationOutcome" in answer.body and not _is_about_rights(answer.status, answer.body)


def is_hidden(answer: Answer) -> bool:
    """Whether the FHIR server keeps this from the client, by its rights or by law (403, 451, or an OperationOutcome about rights).

    That is for good, as long as nobody changes the rights, and says nothing on whether there is such a resource.
    """
    return answer.status == 451 or (answer.status != 401 and _is_about_rights(answer.status, answer.body))


def accepted(answer: AnyAnswer, reference: str, asked: str = "read") -> AnyAnswer:
    """The answer if it is 2xx. Else raises FhirRejected or a `deferral`, with the request, the status and the OperationOutcome's codes.

    A redirect (to a login page) and a 404 without an OperationOutcome (a gateway's own) are not the FHIR server's word on the event.
    """
    if 200 <= answer.status < 300:
        return answer
    rights = _is_about_rights(answer.status, answer.body)
    why = f"{_RIGHTS.get(answer.status, _RIGHTS[403])} ({outcome_codes(answer.body)})" if rights else outcome_codes(answer.body)
    if rights or is_deferrable(answer.status) or answer.status < 400 or (answer.status in _ABSENT and not is_absent(answer)):
        said = f"HTTP {answer.status} to the {asked} of {reference}: {why}"
        if answer.status == 401:
            raise TokenRefused(NEIGHBOUR, said, retry_after_s=answer.retry_after_s)
        if rights:
            raise NoRight(NEIGHBOUR, said, retry_after_s=answer.retry_after_s)
        raise deferral(NEIGHBOUR, answer.status, said, answer.retry_after_s)
    raise FhirRejected(f"HTTP {answer.status} to the {asked}: {_refusal(answer.status, answer.body)}", reference=reference)


def _is_about_rights(status: int, body: bytes) -> bool:
    """Whether the server refused this client and not what the client sent: somebody may yet give it the right."""
    return status in _RIGHTS or (400 <= status < 500 and any(text(each.get("code")) in _OF_RIGHTS for each in issues(body)))


def _refusal(status: int, body: bytes) -> str:
    """The kind of refusal in words, by status and codes (FHIR R4, issue-type)."""
    codes = outcome_codes(body)
    if status in _ABSENT:
        return f"there is no such resource ({codes})"
    if status in (405, 406, 415) or any(each.get("code") == "not-supported" for each in issues(body)):
        return f"this server does not offer it ({codes})"
    return f"this server finds fault with what was sent, not with who sent it ({codes})"


def if_match(version: str | None) -> Json:
    """The header that lets a write through only while this version stands (FHIR R4, http.html#concurrency)."""
    return {} if version is None else {"If-Match": etag(version)}


def status_of(response: Json) -> int:
    """The HTTP status of an entry's response, stated as `201`, `201 Created` or 201; 0 where the response states none."""
    match = _STATUS.match(str(response.get("status", "")))
    return int(match[1]) if match else 0


def _responses(answer: Answer, reference: str, asked: int) -> list[Json]:
    """The responses to the entries that were sent, in their order (FHIR R4, http.html#transaction-response).

    Raises NotSaid where some are missing and none of the others is a refusal.
    """
    try:
        content = json_of(answer, reference)
    except Unavailable:
        raise NotSaid(NEIGHBOUR, f"HTTP {answer.status} without JSON to the transaction for {reference}") from None
    responses = [an_object(entry.get("response")) for entry in objects(content.get("entry"))]
    said = sum(status_of(each) != 0 for each in responses)
    if len(responses) == asked and said == asked:
        return responses
    if any(status_of(each) >= 300 for each in responses):
        return responses  # at least one entry was refused: `transact` raises the first
    what = f"an OperationOutcome: {outcome_codes(answer.body)}" if content.get("resourceType") == "OperationOutcome" else "no more"
    raise NotSaid(NEIGHBOUR, f"{said} of {asked} entries of the transaction for {reference} were answered, with {what}")


def _leads_to(answer: Answer, url: str) -> str:
    """What to do about a redirect, without its address, which may carry a token."""
    try:
        leads_to_its_slash = str(address(answer.redirect_url)) == f"{address(url)}/"
    except NoAddress:
        leads_to_its_slash = False
    if leads_to_its_slash:
        return "the server takes transactions at its base address with a slash behind it: end TOCSIN_FHIR__BASE_URL with one"
    return "set TOCSIN_FHIR__BASE_URL to the address that it leads to, if that is this server's own"


def _entry_accepted(response: Json, reference: str) -> None:
    status, outcome = status_of(response), orjson.dumps(response.get("outcome"))
    if 200 <= status < 300:
        return
    if is_deferrable(status) or status < 400 or _is_about_rights(status, outcome):
        why = _RIGHTS.get(status, outcome_codes(outcome))
        raise deferral(NEIGHBOUR, status, f"an entry of the transaction for {reference} was answered {status}: {why}")
    raise FhirRejected(f"an entry of the transaction was answered {status}: {_refusal(status, outcome)}", reference=reference)


def resource_of(answer: HeadedAnswer, reference: str) -> Json:
    """The resource that the body holds: `reference` is its Type/<id>, and the ETag its version where its meta states none.

    Raises Unavailable(fhir) where the body holds another resource, as a broken server's may.
    """
    content = json_of(answer, reference)
    if reference_to(content) != reference:
        raise Unavailable(NEIGHBOUR, f"HTTP {answer.status} with another resource than {reference}")
    if version_of(content) is None and (version := _etag(answer)) is not None:
        return content | {"meta": an_object(content.get("meta")) | {"versionId": version}}
    return content


def _etag(answer: HeadedAnswer) -> str | None:
    """The version that an answer's ETag states (FHIR R4, http.html#versions), without the suffix that a compressing server adds."""
    match = _ETAG.fullmatch(answer.headers.get("etag", "").strip())
    return match[1] if match else None


def json_of(answer: Answer, reference: str) -> Json:
    """The body as a JSON object. Raises Unavailable(fhir) for any other body: then the server is broken, not the event."""
    try:
        content = orjson.loads(answer.body.removeprefix(codecs.BOM_UTF8))  # a byte order mark may be ignored (RFC 8259, 8.1)
    except orjson.JSONDecodeError:
        raise Unavailable(NEIGHBOUR, f"HTTP {answer.status} without JSON for {reference}") from None
    if not isinstance(content, dict):
        raise Unavailable(NEIGHBOUR, f"HTTP {answer.status} without a resource for {reference}")
    return content
