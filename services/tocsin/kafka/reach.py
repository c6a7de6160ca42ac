"""Why a broker is not reached: the way to it, step by step, where kafka-python only says that time is up.

Resolve, connect, TLS, Kafka, SASL, metadata. Each failure says the step, the address, what was seen and which setting to look at;
it repeats nothing that a server wrote. No proxy is used, whatever the environment names.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka.errors import IllegalSaslStateError, KafkaError, NoError, UnsupportedSaslMechanismError, for_code
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from tocsin.errors import ContractError, Unavailable
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import logger

LOOK_WAIT_S: Final = 4.0
"""Longest wait for one step: whoever looks at a screen is told within five seconds."""
READ_BYTES: Final = 65_536
TLS_RECORD: Final = b"\x15\x03"
"""How a TLS alert begins, RFC 8446, 5.1: what a broker that wants TLS answers to one who does not speak it."""
SASL_TURNS_MAX: Final = 8
AGAIN_AFTER_S: Final = 0.5

_BUS: Final = "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"
_PROTOCOL: Final = "TOCSIN_KAFKA__SECURITY_PROTOCOL"
_CA: Final = "TOCSIN_KAFKA__TLS_CA_FILE"
_CERTIFICATE: Final = "TOCSIN_KAFKA__TLS_CERTIFICATE_FILE and TOCSIN_KAFKA__TLS_KEY_FILE"
_USER: Final = "TOCSIN_KAFKA__SASL_USERNAME and TOCSIN_KAFKA__SASL_PASSWORD"
_MECHANISM: Final = "TOCSIN_KAFKA__SASL_MECHANISM"

_UNTRUSTED: Final = {
    10: "its certificate has expired",
    9: "its certificate is not valid yet: compare the clocks",
    18: "its certificate is self-signed, and not in the file of authorities",
    19: "an authority of its certificate's chain is not in the file of authorities",
    20: "the authority of its certificate is not in the file of authorities",
    21: "the authority of its certificate is not in the file of authorities",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
"""X509_V_ERR_* -> what it means: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error."""
_OTHER_NAME: Final = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The step at which the way to a broker ends."""

    step: str
    """files, resolve, connect, TLS, Kafka, SASL or metadata."""
    found: str
    """What was seen at that step, with the address, for an operator."""
    setting: str
    """Which settings to look at."""
    passes: bool
    """Whether the obstacle may pass by itself."""

    def __str__(self) -> str:
        return f"{self.step}: {self.found}; look at {self.setting}"


class _Stopped(Exception):
    def __init__(self, step: str, found: str, setting: str, *, passes: bool = False) -> None:
        super().__init__(found)
        self.obstacle = Obstacle(step, found, setting, passes)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that the cluster tells its clients to go to."""

    id: int
    address: str
    """host:port."""


def addresses(settings: KafkaSettings) -> list[str]:
    """host:port of each broker that the settings name."""
    return settings.bootstrap_servers.split(",")


def brokers_behind(address: str, settings: KafkaSettings, wait_s: float = LOOK_WAIT_S) -> tuple[Broker, ...] | Obstacle:
    """The brokers that the one at the address sends its clients to, or why it is not reached.

    Each step waits `wait_s` at most.
    """
    try:
        with _connected(address, settings, wait_s) as talk:
            _greet(talk, settings)
            if settings.security_protocol.startswith("SASL"):
                _log_in(talk, settings)
            return _brokers(talk, settings)
    except _Stopped as stopped:
        return stopped.obstacle


def listener(address: str, settings: KafkaSettings, wait_s: float = LOOK_WAIT_S) -> Obstacle | None:
    """Why no broker is reached at an address that the cluster names; None where one is."""
    try:
        with _connected(address, settings, wait_s) as talk:
            _greet(talk, settings)
    except _Stopped as stopped:
        return stopped.obstacle
    return None


def obstacle(settings: KafkaSettings) -> Obstacle | None:
    """What is wrong with the last of the named brokers; None where one of them is reached."""
    wait_s, last = min(LOOK_WAIT_S, settings.connect_timeout_s), None
    for address in addresses(settings):
        found = brokers_behind(address, settings, wait_s)
        if not isinstance(found, Obstacle):
            return None
        last = found
    return last


def reach_bus(settings: KafkaSettings) -> None:
    """Returns once a broker of the settings is reached. Raises Unavailable and ContractError in an operator's words, soon."""
    found = obstacle(settings)
    if found is not None:
        raise refusal(found)


def await_bus(settings: KafkaSettings, stopping: threading.Event) -> bool:
    """Whether a broker was reached; False once `stopping` is set.

    What is wrong is logged as soon as it is known, and again once it changes. Raises Unavailable or ContractError in an operator's words
    where no broker is reached within `connect_timeout_s`.
    """
    deadline, said = time.monotonic() + settings.connect_timeout_s, ""
    while not stopping.is_set():
        found = obstacle(settings)
        if found is None:
            if said:
                logger().info("the bus is reached", neighbour="kafka")
            return True
        if str(found) != said:
            said = str(found)
            logger().warning("the bus is not reached; it is tried again", neighbour="kafka", detail=said)
        if time.monotonic() > deadline:
            raise refusal(found)
        stopping.wait(AGAIN_AFTER_S)
    return False


def refusal(found: Obstacle) -> Unavailable | ContractError:
    """The error for an obstacle: Unavailable where it may pass by itself, else ContractError."""
    return Unavailable("kafka", str(found)) if found.passes else ContractError(f"kafka: {found}")


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """The TLS context of every client of this bus. Raises ContractError where a file cannot be read."""
    try:
        return _context(settings)
    except _Stopped as stopped:
        raise refusal(stopped.obstacle) from None


def _context(settings: KafkaSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_ca_file is None:
        context.load_default_certs()
    else:
        with _readable(_CA, f"{settings.tls_ca_file} holds no certificate of an authority in PEM"):
            context.load_verify_locations(str(settings.tls_ca_file))
    if settings.tls_certificate_file is not None:
        with _readable(
            _CERTIFICATE, f"{settings.tls_certificate_file} and its key do not go together, or are not PEM without a passphrase"
        ):
            context.load_cert_chain(str(settings.tls_certificate_file), settings.tls_key_file and str(settings.tls_key_file), password="")
    return context


@contextmanager
def _readable(setting: str, otherwise: str) -> Iterator[None]:
    try:
        yield
    except (ssl.SSLError, ValueError):
        raise _Stopped("files", otherwise, setting) from None
    except OSError as error:
        raise _Stopped("files", f"a file of {setting} cannot be read ({error.strerror})", setting) from None


class _Talk:
    """Questions and answers over one connection."""

    def __init__(self, address: str, connection: socket.socket) -> None:
        self.address = address
        self._connection = connection
        self._protocol = KafkaProtocol(client_id="tocsin-check")

    def ask(self, request: Any) -> Any:
        """The broker's answer. Raises OSError, EOFError where the other end hangs up, _Tls where it speaks TLS."""
        self._protocol.send_request(request)
        self._connection.sendall(self._protocol.send_bytes())
        first = True
        while True:
            data = self._connection.recv(READ_BYTES)
            if not data:
                raise EOFError
            if first and data.startswith(TLS_RECORD):
                raise _Tls
            first = False
            for _correlation, answer in self._protocol.receive_bytes(data):
                return answer


class _Tls(Exception):
    """The answer was a TLS alert."""


@contextmanager
def _connected(address: str, settings: KafkaSettings, wait_s: float) -> Iterator[_Talk]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = _context(settings) if settings.security_protocol.endswith("SSL") else None
    with _socket(address, _resolved(address, host, int(port)), wait_s) as plain:
        if context is None:
            yield _Talk(address, plain)
            return
        with _secured(address, plain, context, host.rstrip(".")) as secured:
            yield _Talk(address, secured)


def _resolved(address: str, host: str, port: int) -> Sequence[Any]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise _Stopped("resolve", f"{address}: the name has no address", _BUS, passes=True) from None


@contextmanager
def _socket(address: str, found: Sequence[Any], wait_s: float) -> Iterator[socket.socket]:
    last: OSError | None = None
    for family, kind, protocol, _name, at in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(wait_s)
        try:
            connection.connect(at)
        except OSError as error:
            connection.close()
            last = error
            continue
        with connection:
            yield connection
            return
    raise _Stopped("connect", f"{address}: {_why(last, wait_s)}", _BUS, passes=True)


def _why(error: OSError | None, wait_s: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {wait_s:g} s: a firewall may block the way, or the address is wrong"
        case ConnectionRefusedError():
            return "the connection was refused: nothing listens there"
        case OSError(strerror=str(words)):
            return words
        case _:
            return "it cannot be reached"


@contextmanager
def _secured(address: str, plain: socket.socket, context: ssl.SSLContext, host: str) -> Iterator[ssl.SSLSocket]:
    try:
        secured = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        words = _UNTRUSTED.get(error.verify_code, f"its certificate cannot be verified (X509 error {error.verify_code})")
        setting = f"{_BUS}, or the broker's certificate" if error.verify_code in _OTHER_NAME else f"{_CA}, or the broker's certificate"
        raise _Stopped("TLS", f"{address}: {words}", setting) from None
    except ssl.SSLError as error:
        raise _Stopped("TLS", f"{address}: {_alert(error)}", _PROTOCOL if "ALERT" not in (error.reason or "") else _CERTIFICATE) from None
    except OSError:
        raise _Stopped("TLS", f"{address}: it does not answer in TLS", _PROTOCOL, passes=True) from None
    with secured:
        yield secured


def _alert(error: ssl.SSLError) -> str:
    reason = error.reason or type(error).__name__
    if "ALERT" in reason:
        return f"it refuses this client's certificate, or wants one ({reason})"
    return f"it does not speak TLS there ({reason})"


@contextmanager
def _answering(talk: _Talk, step: str, hung_up: str, setting: str) -> Iterator[None]:
    """Raises _Stopped with what a failure of the connection means at this step."""
    try:
        yield
    except _Tls:
        raise _Stopped(step, f"{talk.address}: it wants TLS", _PROTOCOL) from None
    except ssl.SSLError as error:
        raise _Stopped("TLS", f"{talk.address}: {_alert(error)}", _CERTIFICATE) from None
    except TimeoutError:
        raise _Stopped(step, f"{talk.address}: it took the connection and does not answer", setting, passes=True) from None
    except (OSError, EOFError):
        raise _Stopped(step, f"{talk.address}: {hung_up}", setting, passes=True) from None
    except (KafkaError, ValueError):  # what came is no answer of Kafka's
        raise _Stopped(step, f"{talk.address}: it does not speak Kafka's protocol there", f"{_BUS} and {_PROTOCOL}") from None


def _greet(talk: _Talk, settings: KafkaSettings) -> None:
    hung_up = "it closed the connection at the first request: it may want TLS, or not be a Kafka broker"
    with _answering(talk, "Kafka", hung_up, f"{_PROTOCOL} (it is {settings.security_protocol}) and {_BUS}"):
        talk.ask(ApiVersionsRequest(version=0))


def _log_in(talk: _Talk, settings: KafkaSettings) -> None:
    mechanism, password = settings.sasl_mechanism, settings.sasl_password
    if mechanism is None or not settings.sasl_username or password is None:
        raise _Stopped("SASL", f"{_PROTOCOL} needs a mechanism, a user and a password", f"{_MECHANISM}, {_USER}")
    with _answering(talk, "SASL", "it closed the connection during the login", _USER):
        _agree(talk, mechanism)
        login = get_sasl_mechanism(mechanism)(
            host=talk.address,
            sasl_mechanism=mechanism,
            sasl_plain_username=settings.sasl_username,
            sasl_plain_password=password.get_secret_value(),
        )
        for _ in range(SASL_TURNS_MAX):
            if login.is_done():
                return
            answer = talk.ask(SaslAuthenticateRequest(login.auth_bytes(), version=1))
            if for_code(answer.error_code) is not NoError:
                raise _Stopped("SASL", f"{talk.address}: it refuses this user and password ({mechanism})", _USER)
            login.receive(answer.auth_bytes)


def _agree(talk: _Talk, mechanism: str) -> None:
    answer = talk.ask(SaslHandshakeRequest(mechanism=mechanism, version=1))
    kind = for_code(answer.error_code)
    if kind is IllegalSaslStateError:
        raise _Stopped("SASL", f"{talk.address}: it takes no login on this port", _PROTOCOL)
    if kind is UnsupportedSaslMechanismError or mechanism not in answer.mechanisms:
        raise _Stopped(
            "SASL", f"{talk.address}: it does not offer {mechanism}; it offers {', '.join(sorted(answer.mechanisms))}", _MECHANISM
        )


def _brokers(talk: _Talk, settings: KafkaSettings) -> tuple[Broker, ...]:
    hung_up = f"it closed the connection after the greeting: it may want a user to log in ({_PROTOCOL} is {settings.security_protocol})"
    with _answering(talk, "metadata", hung_up, f"{_PROTOCOL} and {_MECHANISM}"):
        answer = talk.ask(MetadataRequest(topics=[], allow_auto_topic_creation=False, version=5))
    return tuple(Broker(each.node_id, f"{each.host}:{each.port}") for each in answer.brokers)
