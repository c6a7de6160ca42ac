"""An Http whose exchanges side by side are its own `exchange`, one after the other: for fakes that answer from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tocsin.fhir.http import Answer, Get, Http


class OneByOne(Http):
    """Whoever overrides `exchange` has said all."""

    def side_by_side(self, asked: Mapping[int, Get], *, neighbour: str) -> Iterator[tuple[int, Answer | Exception]]:
        """See Http.side_by_side."""
        for number, (url, headers, body_bytes_max) in asked.items():
            try:
                yield number, self.exchange("GET", url, neighbour=neighbour, headers=headers, body_bytes_max=body_bytes_max)
            except Exception as error:
                yield number, error
