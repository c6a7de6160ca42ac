"""FHIR transactions that can be repeated."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.fhir.datatypes import Json, etag


def transaction(resources: Iterable[Json]) -> Json:
    """A transaction that writes all resources or none, each under Tocsin's own id: a repeated write replaces, and adds no second one."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(resource) for resource in resources]}


def only_if(entry: Json, version: str | None) -> Json:
    """The entry with ifMatch: the server takes it only while this version of its resource stands (FHIR R4, http.html#concurrency)."""
    return entry if version is None else entry | {"request": entry["request"] | {"ifMatch": etag(version)}}


def named(resource: Json) -> str:
    """Type/<id> of a resource that is to be written: Tocsin made it, or read it by this name."""
    return f"{resource['resourceType']}/{resource['id']}"


def _entry(resource: Json) -> Json:
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": "PUT", "url": named(resource)},
    }
