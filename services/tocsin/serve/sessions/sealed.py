"""Content that is read again only by whoever brings the secret it was put away under.

A name under which it is kept (SHA-256) and a key that seals it (HKDF-SHA256, AES-256-GCM) are both made of the secret, which is kept
nowhere. Who reads the shelf, its backup or its traffic learns neither tokens nor whose sessions they are.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Unsealable(Exception):
    """What was kept was not sealed with this secret, or was changed since."""


def new_secret() -> str:
    """A secret of 256 random bits, in 43 characters that a cookie and an address may hold."""
    return secrets.token_urlsafe(SECRET_BYTES)


def name_of(secret: str) -> str:
    """The name under which what belongs to the secret is kept: hex SHA-256. It does not lead back to the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(content: bytes, secret: str, purpose: str) -> bytes:
    """The content, sealed; `purpose` keeps apart what is kept for different ends."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(secret, purpose).encrypt(nonce, content, purpose.encode())


def unseal(sealed: bytes, secret: str, purpose: str) -> bytes:
    """The content that was sealed with this secret for this purpose. Raises Unsealable."""
    try:
        return _cipher(secret, purpose).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        raise Unsealable from None


def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=f"tocsin {purpose}".encode()).derive(secret.encode()))
