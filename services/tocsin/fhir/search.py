"""A search over all pages into which the server divides its answer (FHIR R4, http.html#paging)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from tocsin.errors import Contended, FhirRejected, Unavailable
from tocsin.fhir.client import NEIGHBOUR, FhirClient
from tocsin.fhir.datatypes import Json, an_object, is_resource, objects, text


def answers(fhir: FhirClient, path: str) -> Iterator[Json]:
    """Yield each Bundle of a search, in the server's order. Raises as FhirClient.search, and Deferred where a next page cannot be had."""
    kind, followed = path.partition("?")[0], set[str]()
    while True:
        bundle = fhir.search(path) if not followed else _following(fhir, path)
        yield bundle
        following = next_page(fhir, bundle, kind)
        if following is None:
            return
        path = following
        if path in followed:
            raise Unavailable(NEIGHBOUR, f"its search for {kind} leads back to a page that was read")
        followed.add(path)


def resources_of(bundle: Json, kind: str) -> list[Json]:
    """The resources of the type `kind` in a Bundle; a searchset may hold an OperationOutcome too."""
    found = (an_object(entry.get("resource")) for entry in objects(bundle.get("entry")))
    return [each for each in found if is_resource(each, kind)]


def goes_on(bundle: Json) -> bool:
    """Whether the server has more of this search than the Bundle holds."""
    return any(link.get("relation") == "next" for link in objects(bundle.get("link")))


def next_page(fhir: FhirClient, bundle: Json, kind: str) -> str | None:
    """Path of the page after this Bundle of a search for `kind`; None: there is none. Raises Unavailable(fhir) for what is no address."""
    url = next((text(link.get("url")) for link in objects(bundle.get("link")) if link.get("relation") == "next"), "")
    return _path(fhir, url, kind) if url else None


def _path(fhir: FhirClient, url: str, kind: str) -> str:
    """The link's path below the address that the settings name: a server behind a gateway may know itself by another address."""
    whole = urljoin(f"{fhir.base_url}/", url)
    below = fhir.service_base.path_below(whole)
    if below is not None:
        return below
    try:
        parts = urlsplit(whole)
    except ValueError:
        raise Unavailable(NEIGHBOUR, f"its search for {kind} leads on to what is no address") from None
    tail = parts.path[parts.path.rfind(f"/{kind}") + 1 :] if f"/{kind}" in parts.path else ""
    return f"{tail}?{parts.query}"


def _following(fhir: FhirClient, path: str) -> Json:
    try:
        return fhir.search(path)
    except FhirRejected as refused:
        raise Contended(NEIGHBOUR, f"the server does not go on with its own search ({refused.detail})") from None
