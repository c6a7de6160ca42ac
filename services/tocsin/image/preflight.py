"""Can the origins that pictures may be fetched from be reached, and are they who they say they are?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.errors import ConfigurationError, Unavailable
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.image.content import credentials_of
from tocsin.preflight import Check, check
from tocsin.settings import ImageSettings

PART: Final = "image"

ANSWER_BYTES_MAX: Final = 1_000_000
"""More of what an origin says of itself is not read; that it answers is enough."""


def pictures_preflight(http: Http, settings: ImageSettings) -> Iterator[Check]:
    """Each allowed origin is asked for its root, without credentials: whatever it answers, it is there and its certificate trusted.

    The credentials of each are looked at, and not sent: only a picture would tell whether they are right.
    """
    for origin in settings.url_origins_allowed:
        yield _reached(http, origin)
    for origin, held in credentials_of(settings).items():
        try:
            held.headers()
        except Unavailable as reason:
            yield check(PART, f"credentials of {origin}", False, reason.detail, "let the file hold the secret, in one line")
        else:
            yield check(PART, f"credentials of {origin}", True, "there; not tried, since only a picture would tell", "")


def _reached(http: Http, origin: str) -> Check:
    fix = f"look whether {origin} can be reached from here; its authority's certificate stands in TOCSIN_IMAGE__TLS_CA_FILE"
    try:
        answer = http.exchange("GET", f"{origin}/", neighbour=origin, headers={}, body_bytes_max=ANSWER_BYTES_MAX)
    except BodyTooLarge:
        return check(PART, origin, True, "answers", "")
    except (Unavailable, ConfigurationError) as reason:
        return check(PART, origin, False, reason.detail if isinstance(reason, Unavailable) else str(reason), fix)
    return check(PART, origin, answer.status < 500, f"answers (HTTP {answer.status} to its root)", fix)
