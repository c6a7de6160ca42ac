"""How Media and reports are asked for, in the words of FHIR R4's search, and what an answer holds."""

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
"""What no token is, no text begins with, and no resource's id is; a server that wants a number or a date refuses it."""

_MODIFIER: Final = re.compile(r":[a-z-]+$")
"""FHIR R4, search.html#modifiers: `:not` and `:missing` would find everything by a value that nothing has."""
_KINDS: Final = ("modality", "type")


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource that a search found."""

    reference: str
    updated: datetime
    """meta.lastUpdated, aware."""
    resource: Json


def path(kind: str, asked: Parameters) -> str:
    """The search below the server's base address."""
    return f"{kind}?{urlencode(asked, safe=':', quote_via=quote)}"


def searches(query: Query) -> list[Parameters]:
    """What finds together whatever matches: a picture says in Media.modality or in Media.type what it is, and no search asks for either."""
    wanted = [] if STATED_NOWHERE in query.modality else list(query.modality)
    return [[*_parameters(query), (kind, ",".join(wanted))] for kind in _KINDS] if wanted else [_parameters(query)]


def overlap(query: Query) -> Parameters:
    """What finds whatever both `searches` find."""
    return [*_parameters(query), *((kind, ",".join(query.modality)) for kind in _KINDS)]


def _parameters(query: Query) -> Parameters:
    asked = [(name, value) for name, _, value in (each.partition("=") for each in query.where)]
    asked += [("created", f"{prefix}{day}") for prefix, day in (("ge", query.created_from), ("le", query.created_to)) if day is not None]
    return asked + ([] if query.site is None else [("site", query.site)])


def one_by_one(query: Query) -> Iterator[tuple[str, Parameters]]:
    """Each parameter's name, and what asks by it alone."""
    for name, value in _named(query):
        yield name, [(name, value)]


def impossible(query: Query) -> Iterator[tuple[str, Parameters]]:
    """Each parameter's name, and the whole search but with a value in this parameter that nothing has."""
    every = _parameters(query)
    for name, _ in _named(query):
        base = _MODIFIER.sub("", name)
        nothing = "ge9999-12-31" if base == "created" else NO_SUCH_VALUE
        yield name, [*((other, value) for other, value in every if other != name), (base, nothing)]


def _named(query: Query) -> list[tuple[str, str]]:
    kinds = [] if STATED_NOWHERE in query.modality or not query.modality else [(kind, ",".join(query.modality)) for kind in _KINDS]
    return [*dict(_parameters(query)).items(), *kinds]


def search_parameters(statement: Json, kind: str) -> list[str]:
    """The names by which a server says that it searches resources of this kind (FHIR R4, CapabilityStatement)."""
    rest = next(iter(objects(statement.get("rest"))), {})
    resource = next((each for each in objects(rest.get("resource")) if each.get("type") == kind), {})
    stated = (*objects(resource.get("searchParam")), *objects(rest.get("searchParam")))
    return sorted({name for each in stated if (name := text(each.get("name")))})


def each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The first of each, of entries that come by their last update."""
    at, seen = None, set[str]()
    for entry in entries:
        if entry.updated != at:
            at, seen = entry.updated, set()
        if entry.reference not in seen:
            seen.add(entry.reference)
            yield entry


def ordered(count: int) -> Parameters:
    """By their last update, `count` in one answer."""
    return [("_sort", "_lastUpdated,_id"), ("_count", str(count))]


def between(parameter: str, since: datetime, until: datetime) -> Parameters:
    """Both included, and whatever else a millisecond is too coarse to tell from them."""
    return [(parameter, f"{prefix}{as_instant(time)}") for prefix, time in (("ge", since), ("le", until))]


def entries_of(bundle: Json, kind: str) -> Iterator[Entry]:
    """Those of an answer. Raises ContractError (Stop) where one has no time of update."""
    for each in resources_of(bundle, kind):
        yield Entry(reference_to(each), stated_instant(an_object(each.get("meta")).get("lastUpdated")), each)


def stated_instant(value: Any) -> datetime:
    """As FHIR writes it. Raises ContractError (Stop) where it is none."""
    found = instant(value)
    if found is None:
        raise ContractError("the FHIR server states no meta.lastUpdated: nothing could be read on from one page to the next")
    return found


def of_modality(media: Json, wanted: Collection[str]) -> bool:
    """Whether it fits where the server was not asked, since a search cannot name what is absent everywhere."""
    if STATED_NOWHERE not in wanted:
        return True
    kind, known = kind_of(media), {coding_of(each) for each in wanted if "|" in each}
    return not kind.stated or any(each in known or each.code in wanted for each in kind.codings)


def escaped(token: str) -> str:
    """FHIR R4, search.html#escaping."""
    return re.sub(r"([\\$,|])", r"\\\1", token)
