"""The gRPC channel to Triton: makes every client and channel, and reads the statuses of clients' errors."""

from __future__ import annotations

import ssl
from typing import Final

import grpc
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tocsin.network import Tls, Way
from tocsin.settings import TritonSettings

NEIGHBOUR: Final = "triton"
CA_SETTING: Final = "TOCSIN_TRITON__TLS_CA_FILE"

OPTIONS: Final = [
    ("grpc.max_receive_message_length", 4_194_304),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # gRPC's own 120 s would keep events waiting long after Triton is back
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),  # gRPC would hand pictures to whatever proxy the environment names
]


def triton_client(settings: TritonSettings) -> InferenceServerClient:
    """A Triton client that connects on its first use. Raises ConfigurationError for a TLS file that cannot be used."""
    return InferenceServerClient(settings.grpc_url, creds=_credentials(settings), channel_args=OPTIONS)


def triton_channel(settings: TritonSettings) -> grpc.Channel:
    """A channel that connects on its first use. Raises ConfigurationError for a TLS file that cannot be used."""
    credentials = _credentials(settings)
    if credentials is None:
        return grpc.insecure_channel(settings.grpc_url, options=OPTIONS)
    return grpc.secure_channel(settings.grpc_url, credentials, options=OPTIONS)


def tls_of(settings: TritonSettings) -> Tls | None:
    """The TLS files for Triton; None where the settings ask for no TLS."""
    return Tls(settings.tls_ca_file, settings.tls_certificate_file, settings.tls_key_file) if settings.tls else None


def way(settings: TritonSettings) -> Way:
    """The way to Triton's gRPC port, as the settings have it."""
    host, port = host_and_port(settings)
    return Way(
        part="triton",
        host=host,
        port=port,
        tls=tls_of(settings),
        within_s=settings.timeout_s,
        address_setting="TOCSIN_TRITON__GRPC_URL",
        ca_setting=CA_SETTING,
        plain_fix="leave TOCSIN_TRITON__TLS out if this Triton speaks no TLS on its gRPC port, else name the port that does",
    )


def host_and_port(settings: TritonSettings) -> tuple[str, int]:
    """The host, without brackets, and the port of Triton's gRPC endpoint."""
    host, _, port = settings.grpc_url.removeprefix("dns:///").rpartition(":")
    return host.strip("[]"), int(port)


def status_of(error: InferenceServerException) -> grpc.StatusCode:
    """The gRPC status of a Triton error; tritonclient gives it as the text `StatusCode.NAME`."""
    name = str(error.status()).removeprefix("StatusCode.")
    return grpc.StatusCode.__members__.get(name, grpc.StatusCode.UNKNOWN)


def _credentials(settings: TritonSettings) -> grpc.ChannelCredentials | None:
    """gRPC credentials from the contents of the TLS files, or from the system's authorities; None where the settings ask for no TLS.

    gRPC would bring authorities of its own where it is given none.
    """
    tls = tls_of(settings)
    return None if tls is None else _read(tls.checked("TOCSIN_TRITON__TLS"))


def _read(tls: Tls) -> grpc.ChannelCredentials:
    roots = tls.ca_file.read_bytes() if tls.ca_file is not None else _systems_authorities()
    certificate, key = (None if file is None else file.read_bytes() for file in (tls.certificate_file, tls.key_file))
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=key, certificate_chain=certificate)


def _systems_authorities() -> bytes | None:
    loaded = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, loaded)).encode() or None
