"""Can pictures be read from where they may lie, and are the origins there who they say they are?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.errors import (
    ConfigurationError,
    ContentMissing,
    ContentUnusable,
    Deferred,
    FhirRejected,
    Stop,
    TocsinError,
    Unavailable,
    UrlRefused,
)
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.image.content import Contents, credentials_of
from tocsin.image.loops.choice import Choice
from tocsin.settings import ImageSettings
from tocsin.telemetry.preflight import Check, check

PART: Final = "image"

ANSWER_BYTES_MAX: Final = 1_000_000
"""The most bytes that are read of an origin's answer; that it answers is enough."""


NO_BINARY: Final = "Binary/tocsin-check"
"""No Binary has this id."""

READ_FIX: Final = (
    "let Tocsin's client read a Binary as the bytes that it holds (Accept: image/jpeg and the like). Where the server redirects to a "
    "store, add the store's origin to TOCSIN_IMAGE__URL_ORIGINS_ALLOWED"
)
PICTURE_FIX: Final = (
    "see whether this picture is there and this machine may read it. TOCSIN_IMAGE__ORIGIN_CREDENTIALS holds what its origin asks for; "
    "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED lists the origins where pictures may lie or be redirected to"
)


def binary_check(contents: Contents) -> Check:
    """Checks that Binary can be read, by asking for one that does not exist as a picture is asked for."""
    try:
        found = f"{len(contents.read({'url': NO_BINARY}, NO_BINARY, None))} bytes"
    except (ContentMissing, UrlRefused) as absent:  # a store may refuse what it does not have
        return check("fhir", "read Binary", True, str(absent), "")
    except (ContentUnusable, FhirRejected, Deferred, Stop) as error:
        return check("fhir", "read Binary", False, str(error), READ_FIX)
    return check("fhir", "read Binary", True, found, "")


def loops_check(choice: Choice) -> Check:
    """Says which loops over pixels are in use; numpy's are right too, and somebody should know that they cost more."""
    return Check(PART, "loops over pixels", True, choice.said, choice.fix, warning=bool(choice.fix))


def pictures_preflight(http: Http, settings: ImageSettings) -> Iterator[Check]:
    """Asks each allowed origin for its root, without credentials.

    Any answer below HTTP 500 shows that the origin is there and its certificate trusted. The credentials of each are looked at, and not
    sent: only a picture would tell whether they are right.
    """
    for origin in settings.url_origins_allowed:
        yield _reached(http, origin)
    for origin, held in credentials_of(settings).items():
        try:
            held.headers()
        except Unavailable as reason:
            yield check(PART, f"credentials of {origin}", False, reason.detail, "write the secret into the file, on one line")
        else:
            yield check(PART, f"credentials of {origin}", True, "there; not tried, since only a picture would tell", "")


def _reached(http: Http, origin: str) -> Check:
    fix = f"see whether this machine reaches {origin}; the file of TOCSIN_IMAGE__TLS_CA_FILE must hold its authority's certificate"
    try:
        answer = http.exchange("GET", f"{origin}/", neighbour=origin, headers={}, body_bytes_max=ANSWER_BYTES_MAX)
    except BodyTooLarge:
        return check(PART, origin, True, "answers", "")
    except (Unavailable, ConfigurationError) as reason:
        return check(PART, origin, False, reason.detail if isinstance(reason, Unavailable) else str(reason), fix)
    return check(PART, origin, answer.status < 500, f"answers (HTTP {answer.status} to its root)", fix)


def named_pictures(contents: Contents, settings: ImageSettings) -> Iterator[Check]:
    """Each picture of TOCSIN_IMAGE__CHECK_URLS is fetched as a journey would, with the credentials of its origin."""
    for number, url in enumerate(settings.check_urls, 1):
        yield _picture(contents, number, url)


def _picture(contents: Contents, number: int, url: str) -> Check:
    """Fetches one picture; its address may hold a signature and is not repeated."""
    what = f"picture {number}"
    try:
        return check(PART, what, True, f"{len(contents.read({'url': url}, what, None))} bytes", "")
    except TocsinError as error:
        return check(PART, what, False, str(error), PICTURE_FIX)
