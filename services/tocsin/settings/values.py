"""Types of settings that check their own values: addresses, origins, tokens, time zones."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, WithJsonSchema


def _without_space(value: str) -> str:
    """The value itself. Raises ValueError where it holds white space: urlsplit drops line ends silently."""
    if value != "".join(value.split()) or not value.isprintable():
        raise ValueError("an address has neither white space nor line ends")
    return value


def _endpoint(value: str) -> str:
    if re.fullmatch(r"(?:dns:///)?(?:[^\s/:\[\]@]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", value) is None:
        raise ValueError("a gRPC address is host:port, without http:// or https://; for example triton:8001")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    surplus = parts.path not in ("", "/") or "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or surplus or not value.isascii() or not parts.netloc.isprintable():
        raise ValueError("an origin is scheme://host or scheme://host:port in ASCII, for example https://pacs.example.org")
    own_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(own_port)}"


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username or parts.query or parts.fragment:
        raise ValueError("a base address is http(s)://host[:port]/path without user, query or fragment")
    return value.rstrip("/") + ("/" if value.endswith("/") else "")


def _process_url(value: str) -> str:
    parts = urlsplit(value if "://" in value else f"http://{value}")
    try:
        sound = bool(parts.hostname) and parts.port != 0 and ("://" in value or parts.port is not None)
    except ValueError:  # a port that is none
        sound = False
    surplus = parts.query or parts.fragment or "@" in parts.netloc or not value.isascii()
    if parts.scheme not in ("http", "https") or not sound or surplus:
        raise ValueError("a process is host:port or http(s)://host[:port], for example http://consume-0.example.org:9464")
    return parts.geturl().rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii() or not value.get_secret_value().isprintable() or " " in value.get_secret_value():
        raise ValueError("a bearer token has neither spaces nor line ends (RFC 6750, 2.1)")
    return value


def _proxy_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        sound = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/") and not parts.query
        )
    except ValueError:  # its words repeat a piece of the address, which may be the password's
        sound = False
    if not sound:
        raise ValueError("a proxy is http(s)://[user:password@]host:port")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(_without_space(value.get_secret_value()))
        sound = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # its words repeat a piece of the address, which may be the password's
        sound = False
    if not sound or re.fullmatch(r"(?:/[0-9]{0,9})?", parts.path) is None:
        raise ValueError(
            "an address is redis://[user:password@]host[:port]/number, or rediss:// over TLS; options stand in TOCSIN_REDIS__* alone; in a "
            "user or password write / as %2F, # as %23, ? as %3F and @ as %40"
        )
    return value


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("a header's value is one line of ASCII text")
    return value


def _header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if re.fullmatch(r"[A-Za-z0-9-]{1,64}: ?[!-~](?:[ -~]*[!-~])?", text) is None:
        raise ValueError("a header is one line of ASCII text, Name: value")
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("a time zone is a name of the IANA database, for example Europe/Berlin")
    return value


def _told(pattern: str) -> WithJsonSchema:
    """What a JSON Schema says of such a text: its form, as far as a pattern can; the validator says the rest."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
Header = Annotated[SecretStr, AfterValidator(_header)]
BearerToken = Annotated[SecretStr, AfterValidator(_token)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
Origin = Annotated[str, AfterValidator(_without_space), AfterValidator(_origin), _told(r"^https?://[^\s/?#@]+/?$")]
BaseUrl = Annotated[str, AfterValidator(_without_space), AfterValidator(_base_url), _told(r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
ProcessUrl = Annotated[str, AfterValidator(_without_space), AfterValidator(_process_url), _told(r"^(https?://)?[^\s?#@]+$")]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Endpoint = Annotated[str, AfterValidator(_endpoint), _told(r"^(dns:///)?[^\s/@]+:[0-9]{1,5}$")]


class Group(BaseModel):
    """The base of each group of settings, whose variables share the prefix TOCSIN_<GROUP>__."""

    model_config = ConfigDict(frozen=True, extra="forbid")
