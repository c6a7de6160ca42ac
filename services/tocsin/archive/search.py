"""FHIR R4 searches for Media and DiagnosticReports, and the resources that an answer holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from tocsin.archive.types import STATED_NOWHERE, Query
from tocsin.errors import ContractError
from tocsin.fhir.datatypes import Json, an_object, as_instant, coding_of, instant, objects, reference_to, text
from tocsin.fhir.search import resources_of
from tocsin.image.kind import kind_of

Parameters = list[tuple[str, str]]

NO_SUCH_VALUE: Final = "tocsin-no-such-value"
"""A search value that no token, no text's beginning and no resource id equals; a server that wants a number or a date refuses it."""

_MODIFIER: Final = re.compile(r":[a-z-]+$")
"""A parameter's modifier (FHIR R4, search.html#modifiers): `:not` and `:missing` would find everything by a value that nothing has."""
_KINDS: Final = ("modality", "type")


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource that a search found."""

    reference: str
    updated: datetime
    """meta.lastUpdated, aware."""
    resource: Json


def path(kind: str, asked: Parameters) -> str:
    """The address of a search for this kind of resource, relative to the server's base address."""
    return f"{kind}?{urlencode(asked, safe=':', quote_via=quote)}"


def searches(query: Query) -> list[Parameters]:
    """The searches that together find every Media that matches.

    A Media states its modality in Media.modality or in Media.type, and one FHIR search cannot ask for the one or the other.
    """
    wanted = [] if STATED_NOWHERE in query.modality else list(query.modality)
    return [[*_parameters(query), (kind, ",".join(wanted))] for kind in _KINDS] if wanted else [_parameters(query)]


def overlap(query: Query) -> Parameters:
    """The search for those Media that both `searches` find."""
    return [*_parameters(query), *((kind, ",".join(query.modality)) for kind in _KINDS)]


def _parameters(query: Query) -> Parameters:
    asked = [(name, value) for name, _, value in (each.partition("=") for each in query.where)]
    asked += [("created", f"{prefix}{day}") for prefix, day in (("ge", query.created_from), ("le", query.created_to)) if day is not None]
    return asked + ([] if query.site is None else [("site", query.site)])


def one_by_one(query: Query) -> Iterator[tuple[str, Parameters]]:
    """Each search parameter's name, with the search that asks by this parameter alone."""
    for name, value in _named(query):
        yield name, [(name, value)]


def impossible(query: Query) -> Iterator[tuple[str, Parameters]]:
    """Each search parameter's name, with the whole search in which this parameter has a value that nothing has."""
    every = _parameters(query)
    for name, _ in _named(query):
        base = _MODIFIER.sub("", name)
        nothing = "ge9999-12-31" if base == "created" else NO_SUCH_VALUE
        yield name, [*((other, value) for other, value in every if other != name), (base, nothing)]


def _named(query: Query) -> list[tuple[str, str]]:
    kinds = [] if STATED_NOWHERE in query.modality or not query.modality else [(kind, ",".join(query.modality)) for kind in _KINDS]
    return [*dict(_parameters(query)).items(), *kinds]


def search_parameters(statement: Json, kind: str) -> list[str]:
    """The search parameters that a server's CapabilityStatement (FHIR R4) names for this kind of resource, sorted."""
    rest = next(iter(objects(statement.get("rest"))), {})
    resource = next((each for each in objects(rest.get("resource")) if each.get("type") == kind), {})
    stated = (*objects(resource.get("searchParam")), *objects(rest.get("searchParam")))
    return sorted({name for each in stated if (name := text(each.get("name")))})


def each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Each resource once, from entries sorted by their last update."""
    at, seen = None, set[str]()
    for entry in entries:
        if entry.updated != at:
            at, seen = entry.updated, set()
        if entry.reference not in seen:
            seen.add(entry.reference)
            yield entry


def ordered(count: int) -> Parameters:
    """The parameters that sort resources by their last update, `count` in one answer."""
    return [("_sort", "_lastUpdated,_id"), ("_count", str(count))]


def between(parameter: str, since: datetime, until: datetime) -> Parameters:
    """The parameters that ask for times from `since` until `until` (aware), both included.

    They state milliseconds, so that other times within the same millisecond are found too.
    """
    return [(parameter, f"{prefix}{as_instant(time)}") for prefix, time in (("ge", since), ("le", until))]


def entries_of(bundle: Json, kind: str) -> Iterator[Entry]:
    """The entries of an answer for this kind of resource. Raises ContractError (Stop) where one has no time of update."""
    for each in resources_of(bundle, kind):
        reference = reference_to(each)
        yield Entry(reference, stated_instant(an_object(each.get("meta")).get("lastUpdated"), reference), each)


def stated_instant(value: Any, reference: str) -> datetime:
    """The aware time of a meta.lastUpdated as FHIR writes it. Raises ContractError (Stop), with the reference, where it is none."""
    found = instant(value)
    if found is None:
        raise ContractError(
            f"{reference} has no meta.lastUpdated, by which Tocsin reads the record page by page: have the FHIR server state it"
        )
    return found


def of_modality(media: Json, wanted: Collection[str]) -> bool:
    """Whether the Media is of a wanted modality, or of none where `absent` is wanted.

    True without `absent` in `wanted`: the server has been asked then. No search can ask for a modality that is stated nowhere.
    """
    if STATED_NOWHERE not in wanted:
        return True
    kind, known = kind_of(media), {coding_of(each) for each in wanted if "|" in each}
    return not kind.stated or any(each in known or each.code in wanted for each in kind.codings)


def escaped(token: str) -> str:
    """The token with its special characters escaped (FHIR R4, search.html#escaping)."""
    return re.sub(r"([\\$,|])", r"\\\1", token)
