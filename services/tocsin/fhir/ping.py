"""Is the FHIR server there?"""

from __future__ import annotations

from typing import Final

from tocsin.fhir.client import NEIGHBOUR, FhirClient, accepted

STATEMENT: Final = "metadata?_elements=fhirVersion"
"""The least of a CapabilityStatement: HAPI 8.8 answers with 256 bytes in 9 ms; the whole statement has 1.5 MB and takes 170 ms.

HAPI refuses `_summary` beside `_elements`. Everybody may read the statement and no audit log fills with such reads; what this client may
do shows when it reads and writes.
"""


class FhirPing:
    """Adapter of the Ping port."""

    neighbour = NEIGHBOUR

    def __init__(self, fhir: FhirClient) -> None:
        self._fhir = fhir

    def ask(self) -> None:
        """See Ping.ask. Reads as little of the server's CapabilityStatement as can be had."""
        accepted(self._fhir.get(STATEMENT), "metadata")

    def close(self) -> None:
        """See Ping.close; the connection ends with the thread that asked."""
