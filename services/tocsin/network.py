"""Checks the way to a neighbour step by step: name, connection, TLS. What failed is told in codes and in our own words."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tocsin.errors import ConfigurationError
from tocsin.telemetry.preflight import Check, check

HOST: Final = "127.0.0.1"
"""Where processes of one machine reach each other, and nobody else reaches them."""


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different ports on which nothing listens now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return tuple(one.getsockname()[1] for one in sockets)


@dataclass(frozen=True, slots=True)
class Tls:
    """The PEM files by which Tocsin verifies a neighbour, and shows it who Tocsin is."""

    ca_file: Path | None
    """The only authorities that may vouch for the neighbour's certificate; None: the system's."""
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A TLS context that verifies certificate and host name. Raises OSError for a file that cannot be used."""
        made = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            made.load_cert_chain(self.certificate_file, self.key_file)
        return made

    def checked(self, prefix: str) -> Tls:
        """Returns itself. Raises ConfigurationError where a file cannot be used.

        `prefix` begins the names of its settings, as TOCSIN_REDIS__TLS does.
        """
        try:
            self.context()
        except OSError as error:  # ssl.SSLError is one
            files = (self.ca_file, self.certificate_file, self.key_file)
            named = ", ".join(str(file) for file in files if file is not None) or "the system's authorities"
            why = "it is not what PEM files hold" if isinstance(error, ssl.SSLError) else os.strerror(error.errno or 0)
            raise ConfigurationError(f"{prefix}_CA_FILE, _CERTIFICATE_FILE, _KEY_FILE ({named}): {why}") from None
        return self


WEB_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The settings that say a way to an http or https address, and what a fix calls whoever answers there."""

    address: str
    ca_file: str
    speaker: str


@dataclass(frozen=True, slots=True)
class Way:
    """The way to a neighbour's port, and the settings that say it."""

    part: str
    host: str
    port: int
    tls: Tls | None
    within_s: float
    """Longest wait of each step."""
    address_setting: str
    """Name of the setting that holds the address, as TOCSIN_REDIS__URL."""
    ca_setting: str
    """Name of the setting that holds the authorities' file, as TOCSIN_REDIS__TLS_CA_FILE."""
    plain_fix: str
    """What to do where TLS is asked for and the port does not speak it."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def web_way(url: str, part: str, tls_ca_file: Path | None, within_s: float, settings: WebSettings) -> Way:
    """The way to an http or https address; an address without a port means its scheme's."""
    parts = urlsplit(url)
    return Way(
        part=part,
        host=parts.hostname or "",
        port=parts.port or WEB_PORTS.get(parts.scheme, WEB_PORTS["http"]),
        tls=Tls(tls_ca_file) if parts.scheme == "https" else None,
        within_s=within_s,
        address_setting=settings.address,
        ca_setting=settings.ca_file,
        plain_fix=f"write http:// in {settings.address} if this {settings.speaker} speaks no TLS on this port",
    )


def steps(way: Way) -> Iterator[Check]:
    """Checks name and connection, then TLS where it is set; the last check failed if the neighbour cannot be spoken to."""
    try:
        plain = _connected(way)
    except OSError as error:
        what = "name" if isinstance(error, socket.gaierror) else "connection"
        fix = f"set {way.address_setting} to the host and port of {way.part}, and see whether it is up and this machine may reach it"
        yield check(way.part, what, False, f"{way}: {met(error)}", fix)
        return
    with plain:
        yield check(way.part, "connection", True, str(way), "")
        if way.tls is not None:
            yield _tls(way, way.tls, plain)


def _tls(way: Way, tls: Tls, plain: socket.socket) -> Check:
    try:
        with tls.context().wrap_socket(plain, server_hostname=way.host) as wrapped:
            return check(way.part, "TLS", True, f"{wrapped.version()}, certificate verified for {way.host}", "")
    except ssl.SSLCertVerificationError as error:
        fix = (
            f"set {way.ca_setting} to the authority that signed its certificate, and name it in {way.address_setting} as the certificate "
            "does; nothing was sent to it"
        )
        return check(way.part, "TLS", False, f"{way}: {met(error)}", fix)
    except OSError as error:
        return check(way.part, "TLS", False, f"{way}: {met(error)}", way.plain_fix)


def speaks_tls(way: Way) -> bool:
    """Whether the port begins to speak TLS, whoever listens there; no data is sent to it."""
    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname, curious.verify_mode = False, ssl.CERT_NONE
    try:
        with _connected(way) as plain, curious.wrap_socket(plain, server_hostname=way.host):
            return True
    except OSError as error:
        return isinstance(error, ssl.SSLError) and (error.reason or "").startswith(("TLSV1", "SSLV3_ALERT"))


def met(error: OSError) -> str:
    """What went wrong with a connection, in the words of this machine's own libraries, which quote no server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__


def _connected(way: Way) -> socket.socket:
    """A connected socket. Raises OSError within the time allowed, also where the system's resolver takes longer."""
    found: list[socket.socket | OSError] = []

    def connect() -> None:
        try:
            found.append(socket.create_connection((way.host, way.port), timeout=way.within_s))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * way.within_s)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]
