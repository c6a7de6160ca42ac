"""What a server's manners are made of: where it seems to be, and how its requests and answers are read and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from tests.support.relay import Ask, Request
from tests.support.web import Reply

Json = dict[str, Any]

FHIR_JSON: Final = "application/fhir+json"


@dataclass(frozen=True)
class Here:
    """Where the server that answers in its own way seems to be."""

    base_url: str
    store: str
    """scheme://host:port of the store it keeps its files in."""

    @property
    def path(self) -> str:
        """Of its base address."""
        return urlsplit(self.base_url).path

    def rest(self, request: Request) -> str:
        """What the request asks below the base, without its query."""
        return request.path.partition("?")[0][len(self.path) :].lstrip("/")


Manner = Callable[[Request, Ask, Here], Reply]
"""Answers a request by asking the real server for as much as it wants."""


def json_of(reply: Reply) -> Json | None:
    """The resource of an answer; None where it has none."""
    if "json" not in header_of(reply, "content-type"):
        return None
    try:
        content = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def header_of(reply: Reply, name: str) -> str:
    return next((value for each, value in reply.headers.items() if each.lower() == name), "")


def saying(reply: Reply, content: Json) -> Reply:
    return replace(reply, body=orjson.dumps(content))


def with_headers(reply: Reply, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(reply, headers={name: value for name, value in reply.headers.items() if name.lower() not in named} | named)


def outcome(status: int, code: str) -> Reply:
    issue = {"severity": "error", "code": code, "diagnostics": "Jane Canary"}
    return Reply(status, orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]}), {"Content-Type": FHIR_JSON})


def without(request: Request, *parameters: str) -> Request:
    path, _, query = request.path.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in parameters]
    return replace(request, path=f"{path}?{urlencode(kept)}" if kept else path)


def asks_with(request: Request, parameter: str) -> bool:
    return any(name == parameter for name, _ in parse_qsl(request.path.partition("?")[2], keep_blank_values=True))


def resources(content: Json) -> Iterator[Json]:
    """The resource itself, or those of a Bundle."""
    if content.get("resourceType") != "Bundle":
        yield content
    for entry in content.get("entry", []):
        if "resource" in entry:
            yield entry["resource"]


def rewritten(value: Any, key: str, change: Callable[[str], str]) -> Any:
    """With every text under this key changed, however deep it lies."""
    if isinstance(value, dict):
        return {
            name: change(each) if name == key and isinstance(each, str) else rewritten(each, key, change) for name, each in value.items()
        }
    return [rewritten(each, key, change) for each in value] if isinstance(value, list) else value


def stands(reference: str, ask: Ask, here: Here) -> bool:
    return ask(Request("GET", f"{here.path}/{reference}", {"Accept": FHIR_JSON})).status == 200


def posts(request: Request, here: Here) -> bool:
    return request.method == "POST" and not here.rest(request)
