"""The keys by which an issuer signs, read from its key set (RFC 7517) and read again when they are old or one is unknown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import PyJWTError

from tocsin.fhir.address import Address
from tocsin.serve.smart.asking import Asking, Json, NotJson
from tocsin.serve.smart.client import RSA_BITS_MIN
from tocsin.serve.smart.refusals import IdTokenInvalid

ROUTE: Final = "jwks"
KEYS_MAX: Final = 100
"""Keys of a set that are looked at."""
AGAIN_S: Final = 10.0
"""A set in which a key was not found is read again no sooner than this: whoever makes up key ids has it read no oftener."""


ALGORITHMS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("RSA", ""): frozenset({"RS256", "RS384"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
}
"""Kind of key and curve -> how it may sign. No HMAC, and never none: a signature is verified by a public key of the issuer's own set."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key of an issuer."""

    id: str | None
    algorithms: frozenset[str]
    material: Any


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    read_at: float
    keys: tuple[Key, ...]


class Keys:
    """The key sets of issuers, kept for a while. Safe for threads."""

    def __init__(self, asking: Asking, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._asking = asking
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def find(self, at: Address, key_id: str | None) -> Key:
        """The key of this id; without an id, the only one there is. Raises Unavailable(ehr), and IdTokenInvalid where there is none."""
        kept, now = self._known(at), self._clock()
        if kept is None or now >= kept.until:
            kept = self._read(at, now)
        found = _one(kept.keys, key_id)
        if found is None and now >= kept.read_at + AGAIN_S:
            found = _one(self._read(at, now).keys, key_id)
        if found is None:
            raise IdTokenInvalid("its key is not in the issuer's key set")
        return found

    def _known(self, at: Address) -> _Kept | None:
        with self._lock:
            return self._kept.get(str(at))

    def _read(self, at: Address, now: float) -> _Kept:
        try:
            kept = _Kept(now + self._keep_s, now, usable(self._asking.get(at, ROUTE)))
        except NotJson as what:
            raise IdTokenInvalid(f"the issuer's key set: {what}") from None
        with self._lock:
            self._kept[str(at)] = kept
        return kept


def usable(said: Json) -> tuple[Key, ...]:
    """The keys of a set by which signatures can be verified; those that are for other ends, or of an unknown kind, are left out."""
    listed = said.get("keys")
    found = map(_key, listed[:KEYS_MAX] if isinstance(listed, list) else [])
    return tuple(each for each in found if each is not None)


def _key(said: object) -> Key | None:
    if not isinstance(said, dict) or said.get("use", "sig") != "sig":
        return None
    known = ALGORITHMS.get((str(said.get("kty")), str(said.get("crv", ""))), frozenset())
    algorithms = known & {str(said["alg"])} if "alg" in said else known
    if not algorithms:
        return None
    try:
        material = jwt.PyJWK(said).key
    except (PyJWTError, ValueError, TypeError):  # whatever a broken key makes of its decoder: the others of its set are none the worse
        return None
    if isinstance(material, RSAPublicKey) and material.key_size < RSA_BITS_MIN:
        return None
    return Key(str(said["kid"]) if "kid" in said else None, algorithms, material)


def _one(keys: tuple[Key, ...], key_id: str | None) -> Key | None:
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.id == key_id), None)
