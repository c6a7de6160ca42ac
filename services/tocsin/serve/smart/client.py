"""Proves to an issuer who Tocsin is: by its id alone (public), a secret (Basic), or a signature (private_key_jwt)."""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tocsin.errors import ConfigurationError
from tocsin.fhir.secret import Secret
from tocsin.serve.smart.asking import NEIGHBOUR
from tocsin.settings import IssuerSettings

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VALID_S: Final = 240
"""How long a signed statement is valid; SMART allows five minutes."""
KEY_BYTES_MAX: Final = 65_536
RSA_BITS_MIN: Final = 2048

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


def proof(issuer: IssuerSettings, token_url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Fields and headers of a token request that prove who Tocsin is. Raises Unavailable(ehr) and ConfigurationError over its files."""
    if issuer.private_key_file is not None:
        signed = _statement(issuer, issuer.private_key_file, token_url)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}, {}
    if issuer.client_secret_file is not None:
        read = Secret(None, issuer.client_secret_file, neighbour=NEIGHBOUR, setting="TOCSIN_SERVE__ISSUERS client_secret_file")
        pair = f"{quote(issuer.client_id, safe='')}:{quote(read(), safe='')}"  # RFC 6749, 2.3.1
        return {}, {"Authorization": f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"}
    return {"client_id": issuer.client_id}, {}


def _statement(issuer: IssuerSettings, file: Path, token_url: str) -> str:
    key, now = read_key(file), int(time.time())
    claims = {
        "iss": issuer.client_id,
        "sub": issuer.client_id,
        "aud": token_url,
        "iat": now,
        "exp": now + VALID_S,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key, algorithm=algorithm_of(key), headers={"kid": issuer.private_key_id, "typ": "JWT"})


def algorithm_of(key: PrivateKey) -> str:
    """How a key of this kind signs: both are what SMART demands of servers."""
    return "RS384" if isinstance(key, RSAPrivateKey) else "ES384"


def read_key(file: Path) -> PrivateKey:
    """The private key in the file, read anew so that a renewed one counts at once. Raises ConfigurationError."""
    try:
        with file.open("rb") as opened:
            key = load_pem_private_key(opened.read(KEY_BYTES_MAX), password=None)
    except OSError as error:
        raise ConfigurationError(f"TOCSIN_SERVE__ISSUERS private_key_file cannot be read ({type(error).__name__})") from None
    except (ValueError, TypeError):
        raise ConfigurationError("TOCSIN_SERVE__ISSUERS private_key_file holds no private key in PEM form without a passphrase") from None
    if isinstance(key, RSAPrivateKey) and key.key_size >= RSA_BITS_MIN:
        return key
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP384R1):
        return key
    raise ConfigurationError(f"TOCSIN_SERVE__ISSUERS private_key_file holds neither an RSA key of {RSA_BITS_MIN} bits nor one of EC P-384")


def public_keys(issuers: Mapping[str, IssuerSettings]) -> dict[str, Any]:
    """The key set (RFC 7517) by which issuers verify Tocsin's signatures; each key once. Raises ConfigurationError."""
    found: dict[str, dict[str, Any]] = {}
    for each in issuers.values():
        if each.private_key_file is not None and each.private_key_id is not None:
            key = read_key(each.private_key_file)
            known: dict[str, Any] = (
                RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
                if isinstance(key, RSAPrivateKey)
                else ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
            )
            known.pop("key_ops", None)
            found[each.private_key_id] = {**known, "kid": each.private_key_id, "use": "sig", "alg": algorithm_of(key)}
    return {"keys": list(found.values())}
