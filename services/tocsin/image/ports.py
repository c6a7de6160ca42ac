"""What the image stage needs of its neighbours."""

from __future__ import annotations

from typing import Protocol

from tocsin.event.types import ImagingEvent
from tocsin.image.types import Picture


class Pictures(Protocol):
    """Where the picture of an event comes from."""

    def fetch(self, event: ImagingEvent) -> Picture:
        """The event's picture, verified and not yet decoded.

        Raises IdentityUnsafe or ContentUnusable (both Refused) when it can never be used, FhirRejected when the server will not hand it
        out, and Deferred when a neighbour is away or busy.
        """
