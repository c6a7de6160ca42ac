"""How servers answer reads and searches: references, versions, order, pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from tests.support.manners.basis import (
    FHIR_JSON,
    Here,
    Manner,
    asks_with,
    header_of,
    json_of,
    outcome,
    resources,
    rewritten,
    saying,
    with_headers,
    without,
)
from tests.support.relay import Ask, Request
from tests.support.web import Reply

_REFERENCE = re.compile(r"^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$")


def references(change: Callable[[str, Here], str]) -> Manner:
    """In what is read; what is written stays as it came."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        content = json_of(reply) if request.method == "GET" else None
        if content is None:
            return reply
        return saying(reply, rewritten(content, "reference", lambda text: change(text, here) if _REFERENCE.match(text) else text))

    return manner


def searches(request: Request, here: Here, parameter: str) -> bool:
    return here.rest(request) == "DiagnosticReport" and asks_with(request, parameter)


def parameter_is_refused(name: str) -> Manner:
    return lambda request, ask, _here: outcome(400, "not-supported") if asks_with(request, name) else ask(request)


def sorted_the_other_way(request: Request, ask: Ask, _here: Here) -> Reply:
    path, _, query = request.path.partition("?")
    asked = [(name, ",".join(f"-{each}" for each in value.split(",")) if name == "_sort" else value) for name, value in parse_qsl(query)]
    return ask(replace(request, path=f"{path}?{urlencode(asked)}")) if asks_with(request, "_sort") else ask(request)


def parameter_is_ignored(name: str) -> Manner:
    return lambda request, ask, _here: ask(without(request, name))


def absent_without_an_outcome(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return Reply(reply.status, b"", {"Content-Type": FHIR_JSON}) if reply.status in (404, 410) else reply


def answers_hold_at_most(count: int) -> Manner:
    def manner(request: Request, ask: Ask, _here: Here) -> Reply:
        return (
            ask(replace(without(request, "_count"), path=f"{without(request, '_count').path}&_count={count}"))
            if (request.method == "GET" and asks_with(request, "_count"))
            else ask(request)
        )

    return manner


def opaque_versions(request: Request, ask: Ask, _here: Here) -> Reply:
    """Both ways: as MTc... in what is read and in If-Match."""
    body = re.sub(rb'W/\\"v-([0-9]+)-x\\"', rb'W/\\"\1\\"', request.body)
    if b'W/\\"v-' in body:
        return outcome(412, "conflict")  # no version of its own
    matched = {"If-Match": re.sub(r"v-([0-9]+)-x", r"\1", request.header("If-Match"))} if request.header("If-Match") else {}
    kept = {name: value for name, value in request.headers.items() if name.lower() != "if-match"}
    reply = ask(replace(request, headers=kept | matched, body=body, path=re.sub(r"_history/v-([0-9]+)-x", r"_history/\1", request.path)))
    content = json_of(reply)
    if content is None:
        return reply
    said = rewritten(content, "versionId", lambda version: f"v-{version}-x")
    return with_headers(saying(reply, said), etag=re.sub(r'W/"([0-9]+)"', r'"v-\1-x"', header_of(reply, "etag")))


def versions_in_the_etag_alone(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    content = json_of(reply)
    if content is None:
        return reply
    for resource in resources(content):
        resource.get("meta", {}).pop("versionId", None)
    return saying(reply, content)


def search_adds_an_outcome(request: Request, ask: Ask, here: Here) -> Reply:
    reply = ask(request)
    content = json_of(reply)
    if content is None or content.get("type") != "searchset":
        return reply
    said = {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}}
    return saying(reply, content | {"entry": [*content.get("entry", []), said | {"search": {"mode": "outcome"}}]})
