"""How servers take writes: guarded or not, in transactions or not, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson

from tests.support.manners.basis import Here, Json, Manner, json_of, outcome, posts, saying, stands
from tests.support.relay import Ask, Request
from tests.support.web import Reply


def if_match_is_required(status: int) -> Manner:
    """Of everything that stands already, alone or in a transaction."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        if request.method == "PUT" and not request.header("If-Match") and stands(here.rest(request), ask, here):
            return outcome(status, "conflict")
        if request.method == "POST" and not here.rest(request):
            for entry in orjson.loads(request.body).get("entry", []):
                asked = entry["request"]
                if asked["method"] == "PUT" and "ifMatch" not in asked and stands(asked["url"], ask, here):
                    return outcome(status, "conflict")
        return ask(request)

    return manner


def if_match_is_ignored(request: Request, ask: Ask, here: Here) -> Reply:
    kept = {name: value for name, value in request.headers.items() if name.lower() != "if-match"}
    body = request.body
    if posts(request, here):
        bundle = orjson.loads(body)
        for entry in bundle["entry"]:
            entry["request"].pop("ifMatch", None)
        body = orjson.dumps(bundle)
    return ask(replace(request, headers=kept, body=body))


def creates(request: Request, ask: Ask, here: Here) -> bool:
    if posts(request, here):
        return any(not stands(entry["request"]["url"], ask, here) for entry in orjson.loads(request.body)["entry"])
    return request.method == "PUT" and not stands(here.rest(request), ask, here)


def entry_responses(change: Callable[[Json, Here], Json]) -> Manner:
    """Of a transaction that was taken."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        content = json_of(reply)
        if content is None or content.get("type") != "transaction-response":
            return reply
        entries = [{**entry, "response": change(entry["response"], here)} for entry in content["entry"]]
        return saying(reply, content | {"entry": entries})

    return manner


def transactions_are_answered(body: bytes) -> Manner:
    """In these words, once they are taken."""

    def manner(request: Request, ask: Ask, here: Here) -> Reply:
        reply = ask(request)
        return replace(reply, body=body) if request.method == "POST" and not here.rest(request) and reply.status < 300 else reply

    return manner


def says_little_of_writes(request: Request, ask: Ask, _here: Here) -> Reply:
    reply = ask(request)
    return replace(reply, body=b"") if request.method == "PUT" and reply.status < 300 else reply
