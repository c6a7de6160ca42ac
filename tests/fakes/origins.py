"""A record in memory that says where pictures come from."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.errors import Unavailable
from tocsin.learning.watch.origins import ELSEWHERE, Origin

USUAL = Origin("Device/a", "trunk")


class FakeOrigins:
    """The port that a look asks for devices and body sites."""

    def __init__(self, usual: Origin = USUAL) -> None:
        self.usual, self.known = usual, dict[str, Origin]()
        self.lost: frozenset[str] = frozenset()
        """Media that the record does not show any more."""
        self.away = False
        self.asked: list[tuple[str, ...]] = []

    def origins(self, pictures: Mapping[str, str]) -> Mapping[str, Origin]:
        """See Record.origins."""
        self.asked.append(tuple(sorted(pictures)))
        if self.away:
            raise Unavailable("fhir", "no answer")
        return {media: self.known.get(media, self.usual) for media in pictures if media not in self.lost}


NOWHERE = Origin("", ELSEWHERE)
"""Of a picture of which the record says neither."""
