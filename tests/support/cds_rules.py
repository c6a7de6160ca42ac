"""The rules of CDS Hooks 3.0.0 as this house reads them: what is wrong with a message, a sentence each.

From the specification's text and its logical models CDSHooksServices, CDSHooksRequest, CDSHooksResponse and CDSHooksFeedback with their
invariants cds-r-1..2, cds-resp-1..7 and cds-fb-1..3. Stricter than those where a rule stands in the text alone, and where a field that
nobody defined would be passed over.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

_HTML: Final = re.compile(r"(?<!\\)<")
_UNESCAPED: Final = re.compile(r"(?<!\\)(?:\\\\)*[!\[\]()#*_`~|<>@]")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


def services_problems(said: Json) -> list[str]:
    """What is wrong with the answer of discovery."""
    return [*_only(said, {"services"}, "answer"), *(each for one in said["services"] for each in _service(one))]


def _service(said: Json) -> Iterator[str]:
    yield from _only(
        said, {"hook", "hookVersion", "title", "description", "id", "prefetch", "usageRequirements", "version", "extension"}, "service"
    )
    yield from (f"service: {name} is missing" for name in ("hook", "description", "id") if not said.get(name))
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", said.get("id", "")):
        yield "service: its id cannot stand in an address"
    if not re.fullmatch(r"\d+\.\d+\.\d+", said.get("version", "")):
        yield "service: version is no semantic version"
    for template in said.get("prefetch", {}).values():
        if set(re.findall(r"\{\{(.*?)\}\}", template)) - {"context.patientId"}:
            yield "service: a prefetch token that not every hook has"


def response_problems(said: Json) -> list[str]:
    """What is wrong with the answer to a hook."""
    found = _only(said, {"cards", "systemActions", "extension"}, "answer")
    if not isinstance(said.get("cards"), list):
        return [*found, "answer: no array of cards"]
    return [*found, *(each for one in said["cards"] for each in _card(one))]


_CARD: Final = {
    "uuid",
    "summary",
    "detail",
    "indicator",
    "source",
    "suggestions",
    "selectionBehavior",
    "overrideReasons",
    "links",
    "extension",
}


def _card(said: Json) -> Iterator[str]:
    yield from _only(said, _CARD, "card")
    summary = said.get("summary", "")
    if not summary or len(summary.encode("utf-16-le")) // 2 >= 140:
        yield f"card: the summary has {len(summary)} characters"
    if summary != " ".join(summary.split()):
        yield "card: the summary has more than one line"
    if said.get("indicator") not in ("info", "warning", "critical"):
        yield "card: indicator"
    if not _is_uuid(said.get("uuid")):
        yield "card: uuid"
    if "detail" in said and _UNESCAPED.search(said["detail"]):
        yield "card: markdown or HTML in the detail that nobody meant"
    yield from _source(said.get("source", {}))
    yield from (each for one in said.get("links", []) for each in _link(one))
    yield from _suggestions(said)
    if any(not reason.get("display") for reason in said.get("overrideReasons", [])):
        yield "cds-resp-4: an override reason without display"
    yield from (each for one in said.get("overrideReasons", []) for each in _coding(one, "overrideReason"))


def _source(said: Json) -> Iterator[str]:
    yield from _only(said, {"label", "url", "icon", "topic", "extension"}, "source")
    if not said.get("label"):
        yield "source: no label"
    if "url" in said and urlsplit(said["url"]).scheme not in ("http", "https"):
        yield "source: url is not absolute"
    if "topic" in said:
        yield from _coding(said["topic"], "topic")


def _link(said: Json) -> Iterator[str]:
    yield from _only(said, {"label", "url", "type", "appContext", "autolaunchable", "extension"}, "link")
    yield from (f"link: {name} is missing" for name in ("label", "url", "type") if not said.get(name))
    if said.get("type") not in ("absolute", "smart"):
        yield "link: type"
    if said.get("type") != "smart" and "appContext" in said:
        yield "cds-resp-3: appContext on a link that is no SMART link"
    if {"iss", "launch"} & parse_qs(urlsplit(said.get("url", "")).query, keep_blank_values=True).keys():
        yield "link: iss and launch are the EHR's to add"


def _suggestions(card: Json) -> Iterator[str]:
    suggestions = card.get("suggestions", [])
    if card.get("selectionBehavior") == "at-most-one" and sum(bool(each.get("isRecommended")) for each in suggestions) > 1:
        yield "cds-resp-1: more than one recommended suggestion of which at most one may be taken"
    if suggestions and card.get("selectionBehavior") not in ("at-most-one", "any"):
        yield "cds-resp-6: suggestions without selectionBehavior"
    for each in suggestions:
        if each.get("actionSelectionBehavior", "all") not in ("all", "any", "at-most-one"):
            yield "cds-resp-7: actionSelectionBehavior"
        for action in each.get("actions", []):
            if action.get("type") == "delete" and ("resourceId" not in action or "resource" in action):
                yield "cds-resp-2: a delete names its resource by resourceId alone"
            if not action.get("description"):
                yield "cds-resp-5: an action without description"


def request_problems(said: Json) -> list[str]:
    """What is wrong with the call of a hook."""
    return [*_missing(said, ("hook", "hookInstance", "context"), "request"), *_request(said)]


def _request(said: Json) -> Iterator[str]:
    authorization = said.get("fhirAuthorization")
    if not _is_uuid(said.get("hookInstance")):
        yield "request: hookInstance is no UUID"
    if authorization is not None and not said.get("fhirServer"):
        yield "cds-r-1: fhirAuthorization without fhirServer"
    if authorization is not None and "patient/" in authorization.get("scope", "") and not authorization.get("patient"):
        yield "cds-r-2: patient/ scopes without a patient"


def feedback_problems(said: Json) -> list[str]:
    """What is wrong with feedback."""
    return [
        each for one in said["feedback"] for each in (*_missing(one, ("card", "outcome", "outcomeTimestamp"), "feedback"), *_feedback(one))
    ]


def _feedback(said: Json) -> Iterator[str]:
    if said.get("outcome") not in ("accepted", "overridden"):
        yield "cds-fb-1: outcome"
    if said.get("outcome") == "accepted" and not said.get("acceptedSuggestions"):
        yield "cds-fb-2: accepted without acceptedSuggestions"
    reason = said.get("overrideReason")
    if reason is not None and not (reason.get("reason") or reason.get("userComment")):
        yield "cds-fb-3: an overrideReason without reason and comment"
    if not _is_uuid(said.get("card")) or not _MOMENT.fullmatch(said.get("outcomeTimestamp", "")):
        yield "feedback: card or outcomeTimestamp"


def outcome_problems(said: Json) -> list[str]:
    """What is wrong with an OperationOutcome (FHIR R4)."""
    if said.get("resourceType") != "OperationOutcome" or not said.get("issue"):
        return ["no OperationOutcome"]
    return [each for issue in said["issue"] for each in _missing(issue, ("severity", "code", "diagnostics"), "issue")]


def _coding(said: Json, what: str) -> Iterator[str]:
    yield from _only(said, {"system", "code", "display"}, what)
    yield from _missing(said, ("system", "code"), what)


def _missing(said: Mapping[str, Any], names: tuple[str, ...], what: str) -> list[str]:
    return [f"{what}: {name} is missing" for name in names if not said.get(name)]


def _only(said: Mapping[str, Any], known: set[str], what: str) -> list[str]:
    return [f"{what}: nobody defined {name}" for name in sorted(said.keys() - known)]


def _is_uuid(value: object) -> bool:
    try:
        return str(uuid.UUID(str(value))) == value
    except ValueError:
        return False


Rules = Callable[[Json], list[str]]
