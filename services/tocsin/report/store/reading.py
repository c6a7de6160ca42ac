"""Reports as the server hands them out: one by its id, and all on one Media, in no order, since not every server sorts."""

from __future__ import annotations

from itertools import islice
from typing import Final

from tocsin.errors import ContractError, FhirRejected
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.fhir.http import HeadedAnswer
from tocsin.fhir.search import answers, resources_of
from tocsin.report.resources.mark import ELEMENTS
from tocsin.telemetry.log import logger

NO_MEDIA: Final = "Media/tocsin-check"
"""No Media has this id: a search for the reports on it finds none, and shows whether this server searches so."""

_NO_CHOICE: Final = frozenset({400, 405, 422, 501})
"""Statuses of a server that refuses `_elements`, which R4 leaves to the server (FHIR R4, search.html#elements)."""

COUNT: Final = 50
"""Reports asked for in one answer."""
ANSWERS_MAX: Final = 20
"""Most answers read of one search. A Media has one report for each version of its picture and of the model: a thousand are a fault
elsewhere."""


def as_it_stands(fhir: FhirClient, reference: str) -> HeadedAnswer:
    """The `ELEMENTS` of a DiagnosticReport/<id>, or the whole from a server that refuses to choose elements. Raises Unavailable(fhir)."""
    answer = fhir.get_with_headers(f"{reference}?_elements={ELEMENTS}")
    return fhir.get_with_headers(reference) if answer.status in _NO_CHOICE else answer


def reports_on(fhir: FhirClient, media: str) -> list[Json]:
    """The DiagnosticReports on this Media/<id>, as far as `ELEMENTS` say, in no order.

    A server that refuses to choose elements or a count is asked for whole reports. Raises ContractError (Stop) where it refuses to search
    reports by their Media, and Deferred where it is away or busy.
    """
    plain = f"DiagnosticReport?media={media}"
    try:
        return _read(fhir, f"{plain}&_count={COUNT}&_elements={ELEMENTS}", media)
    except FhirRejected:
        pass
    try:
        return _read(fhir, plain, media)
    except FhirRejected as refused:
        raise ContractError(
            f"the FHIR server refuses to search DiagnosticReport by `media`, without which no older report could be found to give way; "
            f"let Tocsin's client do so (`journey: reports on a Media` in `tocsin check`): {refused}"
        ) from None


def _read(fhir: FhirClient, query: str, media: str) -> list[Json]:
    read = list(islice(answers(fhir, query), ANSWERS_MAX + 1))
    if len(read) > ANSWERS_MAX:
        logger().warning("more reports on one Media than are looked at", media=media, detail=f"{ANSWERS_MAX} answers were read")
    return [each for bundle in read[:ANSWERS_MAX] for each in resources_of(bundle, "DiagnosticReport")]
