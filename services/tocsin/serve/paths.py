"""Where the rooms of `serve` stand; a launch leads to one of them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

HOME: Final = "/"
"""The patient's reports, or those that the reader may see."""
REPORT: Final = "/reports/{id}"
"""The page of one report; the id alone, which names no person."""
PATIENT: Final = "/reports"
"""The reports of the patient in whose chart the launch happened."""

WORKLIST: Final = "/worklist"
"""The flags of a whole site, as far as the reader's token opens them."""
NUMBERS: Final = f"{WORKLIST}/numbers"
"""How many reports wait, of no patient: also for operators."""

LAUNCH: Final = "/launch"
"""Where a launch begins, from an EHR or by oneself."""

_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


def is_id(text: str) -> bool:
    """Whether the text is an id of a resource (FHIR R4, datatypes.html#id)."""
    return _ID.fullmatch(text) is not None


def launch_path(issuer: str | None = None, ident: str | None = None) -> str:
    """The path by which a reader logs in again, to the report of this id where one is named; `issuer` unless they are to choose it."""
    asked = {"iss": issuer, "report": ident if ident is not None and is_id(ident) else None}
    stated = urlencode({name: value for name, value in asked.items() if value is not None})
    return f"{LAUNCH}?{stated}" if stated else LAUNCH


def report_path(reference: str) -> str:
    """The path of the page of DiagnosticReport/<id>. Raises ValueError for any other text."""
    kind, _, ident = reference.partition("/")
    if kind != "DiagnosticReport" or not is_id(ident):
        raise ValueError("not a reference to a report")
    return REPORT.format(id=ident)
