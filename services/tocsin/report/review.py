"""Whether a person has looked: the one sentence that says it in the record, on pages and on paper, by the report's status."""

from __future__ import annotations

from typing import Final

from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.words.catalogue import Catalogue, to_say

NOT_REVIEWED: Final = to_say("AI result, not yet reviewed by a clinician.")
REVIEWED: Final = to_say("AI result, reviewed by a clinician.")
WITHDRAWN: Final = to_say("Withdrawn: do not use this AI result.")
UNKNOWN: Final = to_say("AI result. The record does not say whether a clinician has reviewed it.")

_BY_STATUS: Final = {
    **dict.fromkeys(("registered", "partial", PRELIMINARY), NOT_REVIEWED),
    **dict.fromkeys(("final", "amended", "corrected", "appended"), REVIEWED),
    **dict.fromkeys((IN_ERROR, "cancelled"), WITHDRAWN),
}
SENTENCES: Final = (NOT_REVIEWED, REVIEWED, WITHDRAWN, UNKNOWN)


def review(status: str, catalogue: Catalogue) -> str:
    """What a report of this FHIR diagnostic-report-status says of its review."""
    return catalogue.say(_BY_STATUS.get(status, UNKNOWN))
