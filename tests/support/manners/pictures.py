"""How servers hand out pictures: in a store, wrapped, under another type, moved out of the Media."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from tests.support.manners.basis import FHIR_JSON, Here, asks_with, json_of, outcome, saying, with_headers
from tests.support.relay import Ask, Request
from tests.support.web import Reply

BINARY_ACCESS: Final = "$binary-access-read"
EXTERNALIZED: Final = "http://hapifhir.io/fhir/StructureDefinition/externalized-binary-id"


def _is_a_picture_in_a_binary(request: Request, here: Here) -> bool:
    return request.method == "GET" and here.rest(request).startswith("Binary/")


def binary_in_a_store(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return Reply(302, b"", {"Location": f"{here.store}/{here.rest(request)}?X-Amz-Signature={quote('s/e=cret')}"})
    return ask(request)


def binary_wants_a_fhir_type(request: Request, ask: Ask, here: Here) -> Reply:
    wanted = ("application/fhir+json", "application/json", "*/*")
    if _is_a_picture_in_a_binary(request, here) and not any(each in request.header("Accept") for each in wanted):
        return outcome(406, "not-supported")
    return ask(request)


def binary_as_fhir_alone(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return ask(replace(request, headers={"Accept": FHIR_JSON}))
    return ask(request)


def binary_under_another_type(request: Request, ask: Ask, here: Here) -> Reply:
    if _is_a_picture_in_a_binary(request, here):
        return with_headers(ask(request), content_type="application/octet-stream")
    return ask(request)


def data_in_its_own_storage(request: Request, ask: Ask, here: Here) -> Reply:
    rest = here.rest(request)
    if rest.endswith(f"/{BINARY_ACCESS}"):
        whole = json_of(ask(Request("GET", f"{here.path}/{rest.removesuffix(f'/{BINARY_ACCESS}')}", {"Accept": FHIR_JSON}))) or {}
        attachment = whole.get("content", {})
        if "data" not in attachment or not asks_with(request, "path"):
            return outcome(400, "invalid")
        return Reply(200, base64.b64decode(attachment["data"]), {"Content-Type": attachment.get("contentType", "")})
    reply = ask(request)
    content = json_of(reply) if request.method == "GET" else None
    attachment = (content or {}).get("content")
    if content is None or content.get("resourceType") != "Media" or not isinstance(attachment, dict) or "data" not in attachment:
        return reply
    moved = {"_data": {"extension": [{"url": EXTERNALIZED, "valueString": "x7Wm2"}]}}
    return saying(reply, content | {"content": {name: value for name, value in attachment.items() if name != "data"} | moved})
