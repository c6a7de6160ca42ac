"""Checks that all processes write under one source, by the Devices and reports of Tocsin's that the record holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.archive.reports import performers
from tocsin.archive.search import entries_of, path
from tocsin.errors import ContractError, FhirRejected, Unavailable
from tocsin.fhir.canonical import AI_DEVICE_TYPES, REPORT_IDENTIFIER
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, objects, text
from tocsin.model_card import ModelVersion
from tocsin.report.flag import WITHDRAWN
from tocsin.report.resources.identity import device_id
from tocsin.settings import ReportSettings
from tocsin.telemetry.preflight import Check, check, skipped, warned

PART: Final = "report"
DEFAULT: Final = ReportSettings().source
DEVICES_MAX: Final = 200
REPORTS_MAX: Final = 200
"""How many of the latest reports are looked at; a longer search would be for reconciliation."""
SHOWN_MAX: Final = 5

NAME_IT: Final = (
    "set TOCSIN_REPORT__SOURCE to a URI of this installation (urn:example:dermatology), the same for every process of one "
    "TOCSIN_KAFKA__GROUP_ID and for good: it is part of every report's id, and under another the same picture gets a second report"
)
ONE_ONLY: Final = (
    "give every process of one TOCSIN_KAFKA__GROUP_ID the same TOCSIN_REPORT__SOURCE; where the other is an installation of its own, it "
    "must read other pictures; where it is a former name of this one, set its reports' status to entered-in-error, or keep the name"
)


def sources_preflight(fhir: FhirClient, source: str) -> Iterator[Check]:
    """Whether the source was chosen, which other sources write into this record, and whether a picture has reports of two."""
    if source == DEFAULT:
        yield warned(PART, "source", f"{source}, which is the default and says nothing of this installation", NAME_IT)
    else:
        yield check(PART, "source", True, source, "")
    what = "one source a picture"
    try:
        sources = _devices(fhir)
        others = sorted(set(sources.values()) - {source})
        twice = _reported_twice(fhir, sources) if others else {}
    except (Unavailable, FhirRejected, ContractError) as error:
        yield skipped(PART, what, f"the FHIR server did not say which Devices and reports of Tocsin's it holds ({error})")
        return
    if twice:
        shown = "; ".join(f"{media}: {', '.join(sorted(of))}" for media, of in sorted(twice.items())[:SHOWN_MAX])
        more = len(twice) - SHOWN_MAX
        yield check(PART, what, False, f"two sources reported on {shown}{f' and {more} more' if more > 0 else ''}", ONE_ONLY)
    elif others:
        none = f"among the latest {REPORTS_MAX} reports no picture has reports of two sources"
        yield warned(PART, what, f"other sources write into this record too: {', '.join(others)}; {none}", ONE_ONLY)
    else:
        yield check(PART, what, True, "no other installation of Tocsin's writes into this record", "")


def source_of(device: Json) -> str | None:
    """The source of a Device that any installation of Tocsin wrote: the Device's id is made of it. None for any other Device."""
    for each in objects(device.get("identifier")):
        source = text(each.get("system"))
        name, _, version = text(each.get("value")).rpartition("/")
        if source and device_id(source, ModelVersion(name, version)) == device.get("id"):
            return source
    return None


def _devices(fhir: FhirClient) -> Mapping[str, str]:
    """Tocsin's Devices (references) -> their source."""
    asked = [("type", f"{AI_DEVICE_TYPES}|Artificial-Intelligence"), ("_count", str(DEVICES_MAX)), ("_elements", "identifier,meta")]
    found = entries_of(fhir.search(path("Device", asked)), "Device")
    return {each.reference: source for each in found if (source := source_of(each.resource)) is not None}


def _reported_twice(fhir: FhirClient, sources: Mapping[str, str]) -> Mapping[str, set[str]]:
    """Media among the latest reports that more than one source reported on -> those sources."""
    asked = [("identifier", f"{REPORT_IDENTIFIER}|"), ("_sort", "-issued"), ("_count", str(REPORTS_MAX))]
    bundle = fhir.search(path("DiagnosticReport", [*asked, ("_elements", "status,media,performer,meta")]))
    by_media: dict[str, set[str]] = defaultdict(set)
    for each in entries_of(bundle, "DiagnosticReport"):
        if each.resource.get("status") not in WITHDRAWN:
            of = {sources[device] for device in performers(each.resource, fhir.service_base) if device in sources}
            for link in objects(each.resource.get("media")):
                if media := fhir.service_base.local(link.get("link")):
                    by_media[media] |= of
    return {media: of for media, of in by_media.items() if len(of) > 1}
