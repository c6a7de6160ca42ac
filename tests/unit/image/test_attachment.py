"""Whatever an attachment states of its bytes and does not hold is refused, in words that say what it is."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from tocsin.errors import ContentTypeWrong, HashMalformed, HashMismatch, Refused, SizeMismatch
from tocsin.image.attachment import verify

from tests.support.pictures import encoded, textured

JPEG, PNG = encoded(textured(64, 48)), encoded(textured(64, 48), "PNG")
SHA1 = hashlib.sha1(JPEG, usedforsecurity=False)
OTHER = hashlib.sha1(b"another", usedforsecurity=False)
TEXT = base64.b64encode(JPEG)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def complaint(content: bytes = JPEG, **attachment: Any) -> Refused | None:
    try:
        verify(attachment, content, "Media/m1")
    except Refused as error:
        return error
    return None


@pytest.mark.parametrize("parameters", ["", "; charset=binary", ";q=1"])
@pytest.mark.parametrize("content_type", ["image/jpeg", "image/jpg", "image/pjpeg", "image/x-citrix-jpeg", "IMAGE/JPEG", " image/jpeg "])
def test_a_jpeg_passes_under_whatever_name_programs_have_for_it(content_type: str, parameters: str) -> None:
    assert complaint(contentType=content_type + parameters) is None


@pytest.mark.parametrize("content_type", ["image/png", "image/x-png", "image/apng", "Image/PNG"])
def test_a_png_passes_under_whatever_name_programs_have_for_it(content_type: str) -> None:
    assert complaint(PNG, contentType=content_type) is None


@pytest.mark.parametrize("content_type", ["", None, "application/octet-stream", "binary/octet-stream", "Application/Octet-Stream", ";"])
@pytest.mark.parametrize("content", [JPEG, PNG])
def test_a_type_that_says_nothing_leaves_the_bytes_to_speak(content_type: str | None, content: bytes) -> None:
    assert complaint(content, contentType=content_type) is None


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (JPEG, "image/png", "content.contentType is image/png, the bytes are JPEG"),
        (PNG, "image/jpg", "content.contentType is image/jpg, the bytes are PNG"),
        (JPEG, "application/dicom", "content.contentType is application/dicom, the bytes are JPEG"),
        (b"<html>", "text/html; charset=utf-8", "content.contentType is text/html, the bytes are neither JPEG nor PNG"),
        (PNG, "image/tiff", "content.contentType is image/tiff, the bytes are PNG"),
        (JPEG, "Jane Canary", "content.contentType is no media type, the bytes are JPEG"),
    ],
)
def test_a_type_that_contradicts_the_bytes_is_refused_and_both_are_named(content: bytes, content_type: str, said: str) -> None:
    error = complaint(content, contentType=content_type)
    assert isinstance(error, ContentTypeWrong)
    assert error.detail == said


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (SHA1.hexdigest(), "the SHA-1 of the bytes in hexadecimal"),
        (SHA1.hexdigest().upper(), "the SHA-1 of the bytes in hexadecimal"),
        (b64(SHA1.hexdigest().encode()), "the SHA-1 of the bytes in hexadecimal in base64"),
        (b64(SHA1.digest()).rstrip("="), "the SHA-1 of the bytes in base64 without padding"),
        (b64(hashlib.sha256(JPEG).digest()), "the SHA-256 of the bytes in base64"),
        (hashlib.sha256(JPEG).hexdigest(), "the SHA-256 of the bytes in hexadecimal"),
        (b64(hashlib.sha512(JPEG).digest()), "the SHA-512 of the bytes in base64"),
        (b64(hashlib.md5(JPEG, usedforsecurity=False).digest()), "the MD5 of the bytes in base64"),
        (b64(hashlib.sha1(TEXT, usedforsecurity=False).digest()), "the SHA-1 of their base64 text in base64"),
        (hashlib.sha256(TEXT).hexdigest(), "the SHA-256 of their base64 text in hexadecimal"),
        (hashlib.sha256(b"another").hexdigest(), "32 bytes in hexadecimal, as long as a SHA-256, and not the attachment's"),
        ("AAAA", "not a digest that Tocsin knows"),
        ("%%%", "not a digest that Tocsin knows"),
        ("", "not a digest that Tocsin knows"),
        (7, "not a digest that Tocsin knows"),
    ],
)
def test_a_hash_written_otherwise_is_refused_for_its_form_and_no_alarm_is_raised(stated: Any, said: str) -> None:
    error = complaint(hash=stated)
    assert isinstance(error, HashMalformed)
    assert said in error.detail
    assert "SHA-1 of the bytes in base64 (FHIR R4" in error.detail
    assert "swapped" not in error.advice


def test_a_hash_in_the_letters_of_addresses_is_told_apart() -> None:
    at, content = next((n, JPEG + bytes(n)) for n in range(99) if set("-_") & set(url64(hashlib.sha1(JPEG + bytes(n)).digest())))
    error = complaint(content, hash=url64(hashlib.sha1(content, usedforsecurity=False).digest()))
    assert isinstance(error, HashMalformed), at
    assert "the SHA-1 of the bytes in base64url" in error.detail


def test_a_hash_over_the_text_as_it_stands_in_the_record_is_told_apart() -> None:
    broken = "\r\n".join(TEXT.decode()[at : at + 76] for at in range(0, len(TEXT), 76))
    error = complaint(hash=b64(hashlib.sha1(broken.encode(), usedforsecurity=False).digest()), data=broken)
    assert isinstance(error, HashMalformed)
    assert "the SHA-1 of content.data's text" in error.detail


@pytest.mark.parametrize("stated", [b64(OTHER.digest()), OTHER.hexdigest(), b64(OTHER.digest()).rstrip("=")], ids=["base64", "hex", "bare"])
def test_a_sha1_that_differs_is_an_alarm_in_whatever_form(stated: str) -> None:
    error = complaint(hash=stated)
    assert isinstance(error, HashMismatch)
    assert "swapped" in error.advice


def test_the_hash_as_fhir_has_it_passes_though_broken_into_lines() -> None:
    assert complaint(hash=b64(SHA1.digest())) is None
    assert complaint(hash=f" {b64(SHA1.digest())[:10]}\n{b64(SHA1.digest())[10:]}") is None


def test_a_size_in_quotation_marks_is_a_size() -> None:
    assert complaint(size=str(len(JPEG))) is None
    assert complaint(size=len(JPEG)) is None


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (len(TEXT), f"content.size is {len(TEXT)}, which is the length of its base64 text, the attachment has {len(JPEG)} bytes"),
        (str(len(TEXT)), f"content.size is {len(TEXT)}, which is the length of its base64 text, the attachment has {len(JPEG)} bytes"),
        (7, f"content.size is 7, the attachment has {len(JPEG)} bytes"),
        ("12 kB", f"content.size is not a whole number, the attachment has {len(JPEG)} bytes"),
        ([1], f"content.size is not a whole number, the attachment has {len(JPEG)} bytes"),
    ],
)
def test_a_size_that_differs_is_said_as_it_is(size: Any, said: str) -> None:
    error = complaint(size=size)
    assert isinstance(error, SizeMismatch)
    assert error.detail == said
