"""One question to a back end of traces over HTTP: bounded in time and size, and nothing of a refusal's text is repeated.

What is sent to it that proves who asks goes below its base address alone: no redirect is followed.

By fhir.http.Http, for its deadline over the whole exchange: the standard library's timeout is one for each read, so that a server that
sends a byte now and then would hold the command for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from tocsin.errors import TocsinError
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.traces.ports import NoAnswer

ANSWER_BYTES_MAX: Final = 16_777_216
"""Largest answer read, unpacked: about 30,000 spans."""

NEIGHBOUR: Final = "traces"


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one back end."""

    http: Http
    base_url: str
    bytes_max: int = ANSWER_BYTES_MAX
    proof: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The headers that say who asks."""

    def ask(self, path: str, **parameters: str) -> Any | None:
        """The JSON that answers GET base/path; None where the server has no such thing (404). Raises NoAnswer."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        status, body = self._exchange(f"{self.base_url.rstrip('/')}/{path}{query}")
        if status == 404:
            return None
        if status != 200:
            raise NoAnswer(f"it answers HTTP {status}{_RIGHTS.get(status, '')}", status)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NoAnswer("what it answers is not JSON: is TOCSIN_TRACES__QUERY_URL the address of its query API?") from None

    def names(self, path: str, of: Callable[[Any], Any]) -> list[str]:
        """The list of names that `of` finds in the JSON at base/path. Raises NoAnswer, also where there is none."""
        found = of(self.ask(path))
        if not isinstance(found, list):
            raise NoAnswer(f"there is no such API: /{path} gives no list of services")
        return [each for each in found if isinstance(each, str)]

    def _exchange(self, url: str) -> tuple[int, bytes]:
        try:
            headers = {"Accept": "application/json", **self.proof}
            answer = self.http.exchange("GET", url, neighbour=NEIGHBOUR, headers=headers, body_bytes_max=self.bytes_max)
        except BodyTooLarge:
            raise NoAnswer(f"its answer has more than {self.bytes_max:,} bytes") from None
        except TocsinError as away:
            raise NoAnswer(getattr(away, "detail", None) or str(away)) from None
        return answer.status, answer.body


_RIGHTS: Final = {401: ": it wants to know who asks", 403: ": this client may not ask it", 429: ": it is asked too often"}
