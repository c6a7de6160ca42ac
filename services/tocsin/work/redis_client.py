"""Makes every connection to Redis: its address, its TLS, and what a refusal of Redis means.

Celery's connections are made of the same parts (patches.py), so that no way to Redis verifies less than another.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection
from redis.exceptions import InvalidResponse, ResponseError
from redis.retry import Retry

from tocsin.network import Tls, met
from tocsin.settings import RedisSettings

DEFAULT_PORT: Final = 6379
PROBE: Final = "tocsin.probe"
"""The key that is written to see whether Redis takes writes."""
PROBE_MS: Final = 10_000
NOT_REDIS: Final = "what answers there is not Redis"

REFUSALS: Final[Mapping[str, str]] = {
    "OOM": "its memory is full (maxmemory) and it may evict nothing",
    "READONLY": "it is a read-only replica",
    "MISCONF": "it cannot save to its disk and takes no writes until it can",
    "NOREPLICAS": "fewer replicas are in sync than min-replicas-to-write asks for",
    "LOADING": "it is still loading its data",
    "BUSY": "it is busy with a script",
    "MASTERDOWN": "it is a replica whose master is away",
    "CLUSTERDOWN": "it is a cluster that is down",
    "MOVED": "it is a cluster; Tocsin wants a single Redis",
    "NOAUTH": "it wants a password",
    "WRONGPASS": "it does not know this user and password",
    "NOPERM": "its access list forbids this user what Tocsin has to do",
    "DENIED": "it is in protected mode and takes no connections from elsewhere",
}
"""Error code of Redis -> what it means. An operator is told a code that is not here as it is."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a Redis URL."""

    host: str
    port: int
    username: str | None
    password: str | None
    database: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class VerifiedConnection(SSLConnection):
    """redis-py's connection over TLS, whose server must prove its name by the authorities of the settings alone.

    redis-py would also trust the system's authorities, and take options that switch the proof off.
    """

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        files = (None if file is None else Path(file) for file in (self.ca_certs, self.certfile, self.keyfile))
        return Tls(*files).context().wrap_socket(sock, server_hostname=self.host)


def address(settings: RedisSettings) -> Address:
    """The address of Redis, with the user and the database, from the settings."""
    parts = urlsplit(settings.url.get_secret_value())
    assert parts.hostname is not None, "settings have seen to it"
    return Address(
        unquote(parts.hostname),
        parts.port or DEFAULT_PORT,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        int(parts.path.strip("/") or 0),
        parts.scheme == "rediss",
    )


def tls_of(settings: RedisSettings) -> Tls | None:
    """The TLS files by which Redis is verified; None where the settings ask for no TLS."""
    if not address(settings).tls:
        return None
    return Tls(settings.tls_ca_file, settings.tls_certificate_file, settings.tls_key_file)


def tls_options(settings: RedisSettings) -> dict[str, Any]:
    """The options that give a VerifiedConnection its TLS files, and tell kombu that there is TLS; empty without TLS.

    Raises ConfigurationError for a file that cannot be used.
    """
    tls = tls_of(settings)
    if tls is None:
        return {}
    tls.checked("TOCSIN_REDIS__TLS")
    files = (None if file is None else str(file) for file in (tls.ca_file, tls.certificate_file, tls.key_file))
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        **dict(zip(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), files, strict=True)),
    }


def redis_client(settings: RedisSettings) -> Redis:
    """A Redis client that connects when first used, and tries everything once, within connect_timeout_s. Raises ConfigurationError."""
    where, tls, wait_s = address(settings), tls_options(settings), settings.connect_timeout_s
    pool = ConnectionPool(
        connection_class=VerifiedConnection if tls else Connection,
        host=where.host,
        port=where.port,
        username=where.username,
        password=where.password,
        db=where.database,
        socket_timeout=wait_s,
        socket_connect_timeout=wait_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # in protocol 3 redis-py takes whatever answers its greeting for a dictionary
        **tls,
    )
    client = Redis(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


def write_probe(client: Redis) -> None:
    """Return once Redis took a write. Raises RedisError: a Redis that answers and takes no writes is of no use to Celery."""
    if client.set(PROBE, b"1", px=PROBE_MS) is not True:
        raise InvalidResponse(NOT_REDIS)


def reason(error: BaseException) -> str:
    """Why Redis does not serve: its code and what that means, or what the connection met; never a text that the server sent."""
    if (code := code_of(error)) is not None:
        return f"{code}: {REFUSALS[code]}" if code in REFUSALS else code
    for cause in _causes(error):
        if isinstance(cause, InvalidResponse):
            return NOT_REDIS
        if isinstance(cause, TimeoutError) or (isinstance(cause, OSError) and (cause.errno or isinstance(cause, ssl.SSLError))):
            return met(cause)
    return type(error.__cause__ or error).__name__


def code_of(error: BaseException) -> str | None:
    """The error code with which Redis refused; None where Redis itself did not answer."""
    return next(filter(None, map(_code, _causes(error))), None)


def _code(error: BaseException) -> str | None:
    stated = getattr(error, "status_code", None)
    if isinstance(stated, str):
        return stated
    if isinstance(error, ResponseError) and (found := re.match(r"-?([A-Z]{2,})(?= |$)", str(error))):
        return found[1]
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__ or cause.__context__
