"""References to the resources of one server, whichever way they are written (FHIR R4, references.html#literal and http.html#vread).

`Patient/1`, `Patient/1/_history/2` and `https://fhir.example.org/r4/Patient/1` name one resource of the server at
`https://fhir.example.org/r4`; `#1`, `urn:uuid:...` and whatever stands below another base name none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tocsin.fhir.address import PORTS
from tocsin.fhir.datatypes import Reference, an_object, literal


@dataclass(frozen=True, slots=True)
class ServiceBase:
    """The addresses of one server's API (FHIR R4, http.html#root): references below them name its own resources."""

    urls: tuple[str, ...] = ()
    """Absolute addresses; without any, only relative references are the server's own."""

    def reference(self, text: object) -> Reference | None:
        """The resource of this server that a literal reference names; None for any other."""
        found = literal(text)
        return found[1] if found is not None and (not found[0] or self._is_base(found[0])) else None

    def local(self, element: object) -> str:
        """Type/<id> of the resource that an element of type Reference names; empty where it is none of this server's."""
        found = self.reference(an_object(element).get("reference"))
        return "" if found is None else found.local

    def path_below(self, url: str) -> str | None:
        """The path and query of an absolute address below the server's base; None where it lies below none of the server's addresses."""
        parts = _split(url)
        for base in filter(None, map(_split, self.urls)):
            if parts is not None and _origin(parts) == _origin(base) and parts.path.startswith(base.path.rstrip("/") + "/"):
                return parts.path[len(base.path.rstrip("/")) + 1 :] + (f"?{parts.query}" if parts.query else "")
        return None

    def _is_base(self, url: str) -> bool:
        return _canonical(url) is not None and _canonical(url) in map(_canonical, self.urls)


RELATIVE: Final = ServiceBase()
"""For resources that were not read from a server, such as those that are about to be written to it."""


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 and parts.hostname else None
    except ValueError:  # an invalid port or host
        return None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None, str | None]:
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme), parts.username


def _canonical(url: str) -> tuple[object, ...] | None:
    """A key for the place that an address leads to: the host's letter case, default port and last slash do not count (RFC 3986, 6.2.3)."""
    parts = _split(url)
    return None if parts is None else (*_origin(parts), parts.path.rstrip("/"), parts.query, parts.fragment)
