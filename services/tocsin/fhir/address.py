"""http(s) addresses in one normal form, so that Tocsin requests exactly the address that it checked (RFC 3986)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import unquote, urlsplit

PORTS: Final = {"http": 80, "https": 443}

_NAME = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*\.?$")
_PATH = re.compile(r"^(?:[A-Za-z0-9._~!$&'()*+,;=:@/|^`{}\"<>\[\]-]|%[0-9A-Fa-f]{2})*$")
_PARTS = re.compile(r"[/\\;]")  # some servers take what follows a semicolon for a part of the path, others cut it off
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_UNQUOTED_MAX: Final = 4
"""How often a path is unquoted to see where it leads; servers behind servers may each unquote it once."""


class NoAddress(ValueError):
    """The text is no http(s) address that Tocsin would request. The error's message repeats nothing of the text."""


class Unwanted(NoAddress):
    """An address that Tocsin never requests: of another scheme, or with a user in it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address without user and fragment; its scheme and host are in lower case."""

    scheme: str
    host: str
    """A name or an IPv4 address; IPv6 in brackets and in its shortest form."""
    port: int
    path: str
    query: str

    @property
    def origin(self) -> str:
        """scheme://host, or scheme://host:port where the port is not the scheme's own."""
        return f"{self.scheme}://{self.host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.path + (f"?{self.query}" if self.query else "")

    def below(self, base: Address) -> str | None:
        """The path and query below the base address; None where this address leads anywhere else, however it is written."""
        if self.origin != base.origin or not self.path.startswith(f"{base.path.rstrip('/')}/") or climbs(self.path):
            return None
        rest = self.path[len(base.path.rstrip("/")) + 1 :]
        return rest + (f"?{self.query}" if self.query else "")


def address(text: str, base: Address | None = None) -> Address:
    """Read the text as an address; a relative text is resolved in the folder of the base address. Raises NoAddress.

    It refuses users and passwords, other schemes, spaces, control characters, letters beyond ASCII (IDNA: written as xn--) and
    backslashes, which programs read in different ways.
    """
    if not text or len(text) > 8192 or not text.isascii() or not text.isprintable() or any(each in text for each in " \\"):
        raise NoAddress("it is empty, too long, or has characters that an address cannot have")
    scheme = _SCHEME.match(text)
    if scheme is None and base is None:
        raise NoAddress("it is relative")
    if scheme is None and base is not None:
        text = _seen_from(base, text)
    elif scheme is not None and scheme[1].lower() not in PORTS:
        raise Unwanted("its scheme is neither http nor https")
    return _address(text)


def _seen_from(base: Address, text: str) -> str:
    if text.startswith("//"):
        return f"{base.scheme}:{text}"
    if text.startswith("/"):
        return base.origin + text
    if text.startswith(("#", "?")):
        raise NoAddress("it begins with # or ?, and so names only a part of a resource")
    return f"{base.origin}{base.path.rpartition('/')[0]}/{text}"


def _address(text: str) -> Address:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoAddress("its host or port is not valid") from None
    if "@" in parts.netloc:
        raise Unwanted("it holds a user name or a password")
    path, scheme = parts.path or "/", parts.scheme.lower()
    if not path.startswith("/") or _PATH.match(path) is None or _PATH.match(parts.query.replace("?", "")) is None:
        raise NoAddress("its path or query has characters that an address cannot have")
    if port == 0:
        raise NoAddress("its port is 0")
    return Address(scheme, _host(host, parts.netloc), port or PORTS[scheme], path, parts.query)


def _host(host: str, netloc: str) -> str:
    if netloc.startswith("["):
        try:
            if "%" in host:
                raise AddressValueError  # a zone, which names an interface of this very machine
            return f"[{IPv6Address(host).compressed}]"
        except AddressValueError:
            raise NoAddress("its host is not an IPv6 address") from None
    if _NAME.match(host) is None:
        raise NoAddress("its host is not a name or an IP address")
    return host.lower()


def climbs(path: str) -> bool:
    """Whether a server might read the path as leading upwards, after unquoting it as often as servers do."""
    if "." not in path and "%" not in path:
        return False  # nearly every path, and every event asks for several
    for _ in range(_UNQUOTED_MAX):
        if any(part.strip() in (".", "..") for part in _PARTS.split(path)):
            return True
        path, before = unquote(path), path
        if path == before:
            return False
    return True
