"""An EHR that calls CDS Hooks: its keys, its tokens, its calls."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Json = dict[str, Any]

ISS = "https://ehr.example.org"
PUBLIC = "https://tocsin.example.org"
DISCOVERY = f"{PUBLIC}/cds-services"
SERVICE = f"{DISCOVERY}/tocsin-flags"


@lru_cache
def ec_key(number: int = 0, curve: str = "P-384") -> ec.EllipticCurvePrivateKey:
    """A key of its own for each number; made once."""
    del number
    return ec.generate_private_key(ec.SECP384R1() if curve == "P-384" else ec.SECP256R1())


@lru_cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of its own for each number; made once."""
    del number
    return rsa.generate_private_key(65537, bits)


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def jwk(key: PrivateKey, kid: str, **more: Any) -> Json:
    """The public key as a JSON Web Key."""
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**orjson.loads(algorithm.to_jwk(key.public_key())), "kid": kid, **more}  # type: ignore[arg-type] # one of both kinds


def jwks(*keys: Json) -> bytes:
    """A key set."""
    return orjson.dumps({"keys": list(keys)})


@dataclass
class Ehr:
    """Signs as it was told to; a claim or a header field of None is left out."""

    now: float
    key: PrivateKey = field(default_factory=ec_key)
    algorithm: str = "ES384"
    header: Mapping[str, Any] = field(default_factory=lambda: {"kid": "k1"})
    claims: Mapping[str, Any] = field(default_factory=dict)

    def token(self, address: str = SERVICE, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token for a call of this address."""
        usual = {"iss": ISS, "aud": address, "iat": int(self.now), "exp": int(self.now) + 300, "jti": secrets.token_hex(8)}
        said = {name: value for name, value in {**usual, **self.claims, **claims}.items() if value is not None}
        fields = {"typ": "JWT", **self.header, **(header or {})}
        return jwt.encode(said, self.key, algorithm=self.algorithm, headers=fields)

    def bearer(self, address: str = SERVICE, **claims: Any) -> dict[str, str]:
        """The header of a call of this address."""
        return {"Authorization": f"Bearer {self.token(address, **claims)}"}


def call_json(hook: str = "patient-view", patient: str = "p1", **more: Any) -> Json:
    """The call of a hook; `prefetch` and the like by their names."""
    context = {"userId": "Practitioner/d1", "patientId": patient, **more.pop("context", {})}
    return {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, **more}


def order(code: str = "240977001", ident: str = "o1", subject: str = "Patient/p1", kind: str = "ServiceRequest") -> Json:
    """A draft order: by default a biopsy of skin."""
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": code}]}
    return {"resourceType": kind, "id": ident, "status": "draft", "intent": "order", "code": coded, "subject": {"reference": subject}}


def drafts(*orders: Json) -> Json:
    """The draftOrders of a hook's context."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in orders]}
