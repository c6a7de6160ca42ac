"""Asks an issuer's servers for JSON, over the house's own connections: bounded, timed, traced, never following a redirect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from tocsin.fhir.address import Address, NoAddress, address
from tocsin.fhir.http import Answer, BodyTooLarge, Http
from tocsin.settings.serve import LOOPBACK
from tocsin.telemetry.calls import http_request

NEIGHBOUR: Final = "ehr"
"""What an issuer is called where a neighbour is named; its address may tell a hospital's name."""
ANSWER_BYTES_MAX: Final = 262_144
"""No configuration, key set or token response is larger."""
_JSON: Final = {"Accept": "application/json"}
_FORM: Final = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}

Json = Mapping[str, Any]


class NotJson(Exception):
    """What came is no JSON object, or too large to be one that is meant; the message says which, and quotes nothing."""


def private_address(text: object) -> Address:
    """The address, which may be told a secret: https, or on this machine itself. Raises NoAddress."""
    found = address(text if isinstance(text, str) else "")
    if found.scheme != "https" and found.host.strip("[]") not in LOOPBACK:
        raise NoAddress("it is not https")
    return found


class Asking:
    """Safe for threads."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, url: Address, route: str) -> Json:
        """The JSON object there. Raises Unavailable(ehr) without a 2xx, and NotJson."""
        return _object(_accepted(self._sent("GET", url, route, _JSON, None)))

    def post(self, url: Address, route: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Json]:
        """Send a form; the answer's status and JSON object, whatever the status. Raises Unavailable(ehr), and NotJson."""
        answer = self._sent("POST", url, route, {**_FORM, **headers}, urlencode(fields).encode("ascii"))
        return answer.status, _object(answer)

    def _sent(self, method: str, url: Address, route: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        with http_request(method, route, url.host, url.port) as request:
            try:
                answer = self._http.exchange(
                    method, str(url), neighbour=NEIGHBOUR, headers=headers, body=body, body_bytes_max=ANSWER_BYTES_MAX
                )
            except BodyTooLarge:
                raise NotJson(f"more than {ANSWER_BYTES_MAX} bytes") from None
            request.answered(answer.status)
            return answer


def _accepted(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise NotJson(f"HTTP {answer.status}")
    return answer


def _object(answer: Answer) -> Json:
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise NotJson(f"HTTP {answer.status} without JSON") from None
    if not isinstance(content, dict):
        raise NotJson(f"HTTP {answer.status} with JSON that is no object")
    return content
