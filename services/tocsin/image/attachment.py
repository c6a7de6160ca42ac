"""Checks where an attachment's bytes come from, and their stated type, size and SHA-1 (FHIR R4, Attachment). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.errors import (
    ContentMissing,
    ContentTypeWrong,
    HashMalformed,
    HashMismatch,
    MediaMalformed,
    SizeMismatch,
    UrlNotAllowed,
    UrlRedirected,
)
from tocsin.fhir.address import Address, NoAddress, Unwanted, address
from tocsin.fhir.datatypes import Json
from tocsin.image.decode import FORMATS, form_of

ALLOWED: Final = "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED"

OTHER_TYPES: Final = {
    "image/jpg": "JPEG",
    "image/jpe": "JPEG",
    "image/jfif": "JPEG",
    "image/pjpeg": "JPEG",
    "image/pjpg": "JPEG",
    "image/x-jpeg": "JPEG",
    "image/x-jpg": "JPEG",
    "image/x-citrix-jpeg": "JPEG",
    "image/mpo": "JPEG",
    "image/x-png": "PNG",
    "image/x-citrix-png": "PNG",
    "image/apng": "PNG",
    "image/vnd.mozilla.apng": "PNG",
}
"""Media types that programs use for JPEG and PNG besides the registered ones -> formats."""
NO_TYPES: Final = frozenset(
    {
        "",
        "*/*",
        "image",
        "image/*",
        "image/unknown",
        "unknown/unknown",
        "application/unknown",
        "application/x-unknown",
        "application/octet-stream",
        "application/octetstream",
        "application/x-octet-stream",
        "application/binary",
        "application/x-binary",
        "application/force-download",
        "application/x-download",
        "application/download",
        "binary/octet-stream",
    }
)
"""Media types that fit any bytes: they contradict nothing."""

_KNOWN: Final = FORMATS | OTHER_TYPES
_NAMED: Final = frozenset(
    {
        *_KNOWN,
        *("image/bmp", "image/gif", "image/heic", "image/jp2", "image/svg+xml", "image/tiff", "image/webp", "video/mp4", "video/mpeg"),
        *("application/dicom", "application/json", "application/fhir+json", "application/pdf", "application/xml", "application/zip"),
        *("text/html", "text/plain", "text/xml"),
    }
)
"""Types that a dead letter names; another word may be anything, a name too."""
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_SPACE: Final = re.compile(r"\s+")
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]+")
_DIGESTS: Final[Mapping[int, tuple[str, Callable[[bytes], bytes]]]] = {
    16: ("MD5", lambda data: hashlib.md5(data, usedforsecurity=False).digest()),
    20: ("SHA-1", lambda data: hashlib.sha1(data, usedforsecurity=False).digest()),
    32: ("SHA-256", lambda data: hashlib.sha256(data).digest()),
    48: ("SHA-384", lambda data: hashlib.sha384(data).digest()),
    64: ("SHA-512", lambda data: hashlib.sha512(data).digest()),
}
"""Length of a digest in bytes -> its algorithm's name, and the function that computes it."""
_SHA1: Final = 20


@dataclass(frozen=True, slots=True)
class Sources:
    """The only places that bytes are asked from: below the FHIR server's base address, and the origins that the site allows."""

    base: Address
    """The FHIR server's base address, with a slash at its end."""
    allowed: frozenset[str]
    """Origins that the site allows: scheme://host or scheme://host:port."""

    def named(self, url: object, media: str) -> Address:
        """The address in the Media's content.url, resolved against the base. Raises MediaMalformed or UrlNotAllowed."""
        if not isinstance(url, str):
            raise MediaMalformed("content.url is not text", reference=media)
        try:
            where = address(url, self.base)
        except Unwanted as reason:
            raise UrlNotAllowed(f"content.url: {reason}", reference=media) from None
        except NoAddress as reason:
            raise MediaMalformed(f"content.url is not an address that Tocsin requests: {reason}", reference=media) from None
        if not self._is_own(where):
            self.check_allowed(where, media)
        return where

    def check_allowed(self, where: Address, media: str) -> None:
        """Raises UrlNotAllowed unless the site allows the address's origin."""
        if where.origin not in self.allowed:
            raise UrlNotAllowed(f"content.url names {where.origin}, which {ALLOWED} does not list", reference=media)

    def led_to(self, location: str, where: Address, status: int, media: str) -> Address:
        """The address that a redirect leads to. Raises UrlRedirected where it may not be asked.

        The redirect's path may hold a signature, so that no error repeats it.
        """
        said = f"{where.origin} answered HTTP {status}"
        try:
            target = address(location, where)
        except NoAddress as reason:
            raise UrlRedirected(f"{said} with a redirect that Tocsin does not follow: {reason}", reference=media) from None
        own = self._is_own(where) and self._is_own(target)
        if not own and target.origin not in self.allowed:
            raise UrlRedirected(f"{said} to {target.origin}, which {ALLOWED} does not list", reference=media)
        return target

    def _is_own(self, where: Address) -> bool:
        return where.below(self.base) is not None


def attachment_of(media: Json, reference: str) -> Json:
    """The Media's content. Raises ContentMissing where it has none."""
    attachment = media.get("content")
    if not isinstance(attachment, dict):
        raise ContentMissing("the Media has no content", reference=reference)
    return attachment


def verify(attachment: Mapping[str, Any], content: bytes, reference: str) -> None:
    """Checks the bytes against the type, size and hash that the attachment states.

    Raises ContentMissing, ContentTypeWrong, SizeMismatch, HashMalformed or HashMismatch, with what is stated and what was found.
    """
    if not content:
        raise ContentMissing("the attachment is empty", reference=reference)
    _verify_type(attachment.get("contentType"), content, reference)
    _verify_size(attachment.get("size"), content, reference)
    if attachment.get("hash") is not None:
        _verify_hash(attachment["hash"], content, attachment.get("data"), reference)


def _verify_type(stated: object, content: bytes, reference: str) -> None:
    """Raises ContentTypeWrong where the stated type contradicts the bytes; the decoder alone says what they are."""
    media_type = (stated if isinstance(stated, str) else "").partition(";")[0].strip().lower()
    found = form_of(content)
    if media_type in NO_TYPES or (media_type in _KNOWN and found in (_KNOWN[media_type], None)):
        return
    raise ContentTypeWrong(
        f"content.contentType is {_said(media_type)}, the bytes are {found or 'neither JPEG nor PNG'}", reference=reference
    )


def _said(media_type: str) -> str:
    if media_type in _NAMED:
        return media_type
    return "another type" if _TYPE.fullmatch(media_type) else "no media type"


def _verify_size(stated: object, content: bytes, reference: str) -> None:
    if stated is None or stated == len(content):
        return
    count = int(stated) if isinstance(stated, str) and stated.strip().isdecimal() and len(stated) < 20 else stated
    if count == len(content):
        return  # a number in quotation marks
    found = f"the attachment has {len(content)} bytes"
    if not isinstance(count, int):
        raise SizeMismatch(f"content.size is not a whole number, {found}", reference=reference)
    meaning = ", which is the length of its base64 text" if count == len(base64.b64encode(content)) else ""
    raise SizeMismatch(f"content.size is {count}{meaning}, {found}", reference=reference)


def _verify_hash(stated: object, content: bytes, data: object, reference: str) -> None:
    text = _SPACE.sub("", stated) if isinstance(stated, str) else ""
    if text == base64.b64encode(_sha1(content)).decode():
        return
    forms = list(_readings(text))
    for form, digest in forms:
        for what, value in _hashed(content, data):
            name, reckoned = _DIGESTS[len(digest)]
            if reckoned(value) == digest:
                raise HashMalformed(f"content.hash is the {name} of {what} in {form}; {_WANTED}", reference=reference)
    if any(len(digest) == _SHA1 for _, digest in forms):
        form = next(form for form, digest in forms if len(digest) == _SHA1)
        raise HashMismatch(f"content.hash is a SHA-1 ({form}) of other bytes than the attachment's", reference=reference)
    if forms:
        form, digest = forms[0]
        said = f"{len(digest)} bytes in {form}, as long as a {_DIGESTS[len(digest)][0]}, and not the attachment's"
        raise HashMalformed(f"content.hash is {said}; {_WANTED}", reference=reference)
    raise HashMalformed(f"content.hash is not a digest that Tocsin knows ({len(text)} characters); {_WANTED}", reference=reference)


_WANTED: Final = "it must be the SHA-1 of the bytes in base64 (FHIR R4, Attachment.hash)"


def _sha1(content: bytes) -> bytes:
    return _DIGESTS[_SHA1][1](content)


def _readings(text: str) -> Iterator[tuple[str, bytes]]:
    """The digests that a text may encode, each after its encoding's name; the likeliest first."""
    if _HEXADECIMAL.fullmatch(text) and len(text) // 2 in _DIGESTS and len(text) % 2 == 0:
        yield "hexadecimal", bytes.fromhex(text)
    bare = text.rstrip("=")
    url = "-" in bare or "_" in bare
    try:
        decoded = base64.b64decode(bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    form = "base64url" if url else "base64" if text == base64.b64encode(decoded).decode() else "base64 without padding"
    if len(decoded) in _DIGESTS:
        yield form, decoded
    if decoded and _HEXADECIMAL.fullmatch(inner := decoded.decode("latin-1")) and len(inner) // 2 in _DIGESTS and len(inner) % 2 == 0:
        yield f"hexadecimal in {form}", bytes.fromhex(inner)


def _hashed(content: bytes, data: object) -> Iterator[tuple[str, bytes]]:
    """What a sender may have hashed, each after its name."""
    yield "the bytes", content
    yield "their base64 text", base64.b64encode(content)
    if isinstance(data, str):
        yield "content.data's text", data.encode()
