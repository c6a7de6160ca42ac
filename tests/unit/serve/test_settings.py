"""Settings with which no launch could be safe are refused by name, before anything is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tocsin import environment
from tocsin.bootstrap.serve import serve
from tocsin.errors import ConfigurationError
from tocsin.settings import Settings

ISSUER = "https://ehr.example.org/fhir"


def settings(**variables: str) -> Settings:
    return environment.read(Settings, {f"TOCSIN_SERVE__{name}": value for name, value in variables.items()}).settings


def issuers(url: str = ISSUER, **more: Any) -> str:
    return json.dumps({url: {"client_id": "tocsin"} | more})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://tocsin.example.org"),
        ("PUBLIC_URL", "https://tocsin.example.org/below"),
        ("TIME_ZONE", "Berlin"),
        ("SESSION_IDLE_S", "40000"),
        ("ISSUERS", issuers("http://ehr.example.org/fhir")),
        ("ISSUERS", issuers(client_id="")),
        ("ISSUERS", issuers(client_secret_file="/a", private_key_file="/b", private_key_id="k")),
        ("ISSUERS", issuers(private_key_file="/b")),
        ("ISSUERS", issuers(roles_claim="groups")),
        ("ISSUERS", issuers(roles={"reader": ["derm"]})),
        ("ISSUERS", issuers(roles_claim="groups", roles={"admin": ["x"]})),
        ("ISSUERS", issuers(frame_origins=["https://ehr.example.org/path"])),
        ("ISSUERS", issuers(client_secret="in the clear")),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TOCSIN_SERVE__{name}"):
        settings(**{name: value})


def test_an_issuer_is_the_same_with_and_without_a_slash_at_its_end() -> None:
    assert list(settings(ISSUERS=issuers(f"{ISSUER}/")).serve.issuers) == [ISSUER]


def _small_rsa() -> bytes:
    return rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _other_curve() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("content", [None, b"", b"no key", _small_rsa, _other_curve], ids=["absent", "empty", "no key", "small", "curve"])
def test_a_key_that_cannot_sign_as_smart_asks_is_refused_at_the_start(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content() if callable(content) else content)
    wrong = settings(ISSUERS=issuers(private_key_file=str(file), private_key_id="k"))
    with pytest.raises(ConfigurationError, match="private_key_file"), serve(wrong, lambda _environ, _start: []):
        pass
