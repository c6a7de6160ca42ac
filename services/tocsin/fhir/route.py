"""The route of a request to a FHIR server: its path without ids, for spans and metrics."""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final = frozenset(
    {
        *("Media", "Patient", "Binary", "ImagingStudy", "DocumentReference", "DiagnosticReport", "Observation", "RiskAssessment"),
        *("Device", "DeviceDefinition", "Provenance", "CodeSystem", "ValueSet", "StructureDefinition", "SearchParameter", "metadata"),
    }
)
"""The resources that Tocsin asks for; a Media may name any other, which is `other`."""
_OPERATION: Final = re.compile(r"\$(?:binary-access-read|validate)")


def route(path: str) -> str:
    """`Media/m1/_history/2` -> `Media/{id}/_history/{version}`; a search has its resource's name alone, a transaction `/`.

    `path` is below the server's base address, with or without a query. There are finitely many routes, whatever is asked for.
    """
    kind, *rest = path.partition("?")[0].strip("/").split("/")
    if not kind:
        return "/"
    parts = [kind if kind in _KINDS else "other"]
    parts += [_part(each, number) for number, each in enumerate(rest[:3])]
    return "/".join(parts)


def _part(part: str, number: int) -> str:
    if number == 0:
        return part if _OPERATION.fullmatch(part) else "{id}"
    if number == 1:
        return part if part == "_history" or _OPERATION.fullmatch(part) else "other"
    return "{version}"
