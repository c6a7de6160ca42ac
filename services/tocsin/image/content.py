"""The bytes of an attachment, wherever they lie: in the resource, on the FHIR server, or at an allow-listed origin.

A request goes to the FHIR server's base address or to an allow-listed origin and nowhere else, whatever the attachment or a redirect
says; the FHIR server's token goes below its base address alone, an origin's credentials to that origin alone.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Mapping
from typing import Final

import orjson

from tocsin.errors import (
    ConfigurationError,
    Contended,
    ContentMissing,
    ContentTooLarge,
    MediaMalformed,
    Unavailable,
    UrlRedirected,
    UrlRefused,
)
from tocsin.fhir.address import Address, NoAddress, address
from tocsin.fhir.client import FHIR_JSON, NEIGHBOUR, FhirClient, accepted, deferral, is_absent, is_deferrable
from tocsin.fhir.datatypes import Json, Reference, an_object, base64_binary, objects, version_of
from tocsin.fhir.http import Answer, BodyTooLarge, Http
from tocsin.fhir.reference import RELATIVE
from tocsin.fhir.secret import LINE, TOKEN, Secret
from tocsin.image.attachment import ALLOWED, Sources
from tocsin.image.decode import FORMATS
from tocsin.settings import ImageSettings, OriginCredentials
from tocsin.telemetry.calls import http_request

CREDENTIALS: Final = "TOCSIN_IMAGE__ORIGIN_CREDENTIALS"

_PICTURES: Final = ", ".join(FORMATS)
_ACCEPT: Final = f"{_PICTURES}, */*;q=0.1"
"""Accept header for which a server hands out a Binary as its own bytes (FHIR R4, Binary: rest).

It names no FHIR form: HAPI gives that form once it is named, whatever its rank.
"""
_FHIR_FORMS: Final = frozenset({FHIR_JSON, "application/json", "application/json+fhir"})
_WANTS_ANOTHER_FORM: Final = frozenset({406, 415})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

EXTERNALIZED: Final = "externalized-binary-id"
"""Last part of the URL of HAPI's extension for data kept outside the resource (its BinaryStorageInterceptor)."""
ACCESS: Final = "$binary-access-read"


class Contents:
    """Reads the bytes of attachments. Safe for threads; keeps nothing of a patient."""

    def __init__(self, fhir: FhirClient, http: Http, settings: ImageSettings) -> None:
        """`http` fetches from the allow-listed origins and is never given the FHIR server's token."""
        self._fhir = fhir
        self._http = http
        self._bytes_max = settings.content_bytes_max
        self._sources = Sources(fhir.base, frozenset(_origin(each) for each in settings.url_origins_allowed))
        self._credentials = credentials_of(settings)

    def read(self, attachment: Json, media: str, meta: object) -> bytes:
        """The bytes of a Media's attachment; `meta` is the Media's own, which tells its version.

        Raises Refused, or Deferred where a server is away or busy, or the resource changed meanwhile.
        """
        try:
            return self._bounded(self._read(attachment, media, meta), media)
        except BodyTooLarge:
            raise self._too_large(media) from None

    def _read(self, attachment: Json, media: str, meta: object) -> bytes:
        if attachment.get("data"):
            return _decoded(attachment["data"], media)
        if _is_moved_out(attachment):
            return self._in_its_own_storage(media, "Media.content", media, meta)
        if not attachment.get("url"):
            raise ContentMissing("the Media has neither content.data nor content.url", reference=media)
        return self._fetched(attachment["url"], media)

    def _fetched(self, url: object, media: str) -> bytes:
        where = self._sources.named(url, media)
        path = where.below(self._fhir.base)
        return self._foreign(where, media) if path is None else self._own(path, where, media)

    def _own(self, path: str, where: Address, media: str) -> bytes:
        """The bytes at a path below the FHIR server's base address, asked for with its token."""
        answer = self._asked(path.removesuffix("/"))
        if answer.status not in _REDIRECTS:
            return self._taken(answer, path, media)
        target = self._led_to(answer, where, media)
        path_there = target.below(self._fhir.base)
        if path_there is None:
            return self._handed_out(self._get(target, None, media), target, media)
        return self._taken(self._asked(path_there), path_there, media)

    def _asked(self, path: str) -> Answer:
        """The FHIR server's answer for a path; asked again for FHIR JSON alone where it takes no other form."""
        # In JSON the bytes are base64: four characters for three, and a little around them.
        limit = self._bytes_max * 4 // 3 + 4096
        answer = self._fhir.get(path, accept=_ACCEPT, body_bytes_max=limit)
        if answer.status not in _WANTS_ANOTHER_FORM:
            return answer
        return self._fhir.get(path, accept=FHIR_JSON, body_bytes_max=limit)

    def _taken(self, answer: Answer, path: str, media: str) -> bytes:
        """The bytes in a server's answer: a Binary comes as its own bytes, or wrapped in JSON (FHIR R4, Binary)."""
        named = _binary(path)
        what = _name(named)
        if answer.status in _REDIRECTS:
            raise UrlRedirected(f"{what} answered HTTP {answer.status} after a redirect; one is followed", reference=media)
        if is_absent(answer):
            raise ContentMissing(f"{what} does not exist (HTTP {answer.status})", reference=media)
        accepted(answer, what if named else media)
        if answer.media_type in _FHIR_FORMS:
            return self._unwrapped(_resource(answer.body), named, media)
        if named and not answer.body:  # as HAPI answers where it moved the data out
            return self._unwrapped(self._fhir.read(what, unknown=lambda: ContentMissing("gone", reference=media)), named, media)
        return answer.body

    def _unwrapped(self, binary: Json, named: Reference | None, media: str) -> bytes:
        what = _name(named)
        if binary.get("resourceType") != "Binary":
            raise ContentMissing(f"{what} is no Binary", reference=media)
        if named and not _is_that(binary, named):
            raise ContentMissing(f"{what} was answered with another resource or version", reference=media)
        if named and _is_moved_out(binary):
            if named.version:
                raise ContentMissing(f"{what} lies in the server's own binary storage, which knows no versions", reference=media)
            return self._in_its_own_storage(named.local, "Binary.data", media, binary.get("meta"))
        if not binary.get("data"):
            raise ContentMissing(f"{what} holds no data", reference=media)
        return _decoded(binary["data"], media)

    def _in_its_own_storage(self, reference: str, path: str, media: str, meta: object) -> bytes:
        """The data that the FHIR server moved out of a resource into its own binary storage.

        The storage hands out the latest version alone: raises Contended where that is not the version whose `meta` was read.
        """
        answer = self._fhir.get(f"{reference}/{ACCESS}?path={path}", accept=_ACCEPT, body_bytes_max=self._bytes_max)
        if is_absent(answer) or answer.status in (400, 405, 422, 501):
            moved = f"the data of {reference} was moved to the server's own binary storage"
            raise ContentMissing(f"{moved}, and {ACCESS} answered HTTP {answer.status}", reference=media)
        body = accepted(answer, reference, ACCESS).body
        after = self._fhir.read(reference, unknown=lambda: ContentMissing(f"{reference} is gone", reference=media))
        if after.get("meta") != meta:
            raise Contended(NEIGHBOUR, f"{reference} changed while its data was read")
        return body

    def _foreign(self, where: Address, media: str) -> bytes:
        answer = self._get(where, self._credentials.get(where.origin), media)
        if answer.status not in _REDIRECTS:
            return self._handed_out(answer, where, media)
        target = self._led_to(answer, where, media)
        credentials = self._credentials.get(target.origin) if target.origin == where.origin else None
        return self._handed_out(self._get(target, credentials, media), target, media)

    def _get(self, where: Address, credentials: Credentials | None, media: str) -> Answer:
        """An allow-listed origin's answer; a 401 is asked again where its credentials were renewed meanwhile."""
        self._sources.check_allowed(where, media)
        sent = {} if credentials is None else credentials.headers()
        answer = self._exchange(where, sent)
        if answer.status == 401 and credentials is not None and credentials.renewed(sent):
            answer = self._exchange(where, credentials.headers())
        if answer.status == 401 and credentials is not None:
            raise Unavailable(where.origin, f"HTTP 401 for the content of {media}: {CREDENTIALS} are wrong or expired")
        return answer

    def _exchange(self, where: Address, more: Mapping[str, str]) -> Answer:
        headers = {"Accept": _ACCEPT, **more}
        with http_request("GET", "{picture}", where.host, where.port) as request:  # whose trace is not for others to know
            answer = self._http.exchange("GET", str(where), neighbour=where.origin, headers=headers, body_bytes_max=self._bytes_max)
            request.answered(answer.status)
            return answer

    def _led_to(self, answer: Answer, where: Address, media: str) -> Address:
        return self._sources.led_to(answer.redirect_url, where, answer.status, media)

    def _handed_out(self, answer: Answer, where: Address, media: str) -> bytes:
        said = f"{where.origin} answered HTTP {answer.status}"
        if 200 <= answer.status < 300:
            return answer.body
        if 300 <= answer.status < 400:
            raise UrlRedirected(f"{said}; one redirect is followed", reference=media)
        if is_deferrable(answer.status) and answer.status not in (401, 403):
            wait_s = answer.retry_after_s
            raise deferral(where.origin, answer.status, f"HTTP {answer.status} for the content of {media}", wait_s)
        if answer.status in (404, 410):
            raise ContentMissing(said, reference=media)
        rights = f": set what it asks for in {CREDENTIALS}" if answer.status in (401, 403) else ""
        raise UrlRefused(f"{said}{rights}", reference=media)

    def _bounded(self, content: bytes, media: str) -> bytes:
        if len(content) > self._bytes_max:
            raise self._too_large(media)
        return content

    def _too_large(self, media: str) -> ContentTooLarge:
        return ContentTooLarge(f"more than {self._bytes_max} bytes", reference=media)


class Credentials:
    """The credentials that one origin asks for, as the settings or a file hold them now."""

    def __init__(self, origin: str, settings: OriginCredentials) -> None:
        value = settings.password or settings.bearer_token or settings.header_value
        file = settings.password_file or settings.bearer_token_file or settings.header_value_file
        self._settings = settings
        form = LINE if settings.bearer_token_file is None else TOKEN
        self._secret = Secret(value, file, neighbour=origin, setting=f"{CREDENTIALS} of {origin}", form=form)

    def headers(self) -> dict[str, str]:
        """The HTTP headers that carry the credentials. Raises Deferred while their file holds none."""
        return self._with(self._secret())

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """Reads the credentials again, and tells whether they differ from those that were refused."""
        return self._secret.reread() and self.headers() != refused

    def _with(self, secret: str) -> dict[str, str]:
        if self._settings.header_name is not None:
            return {self._settings.header_name: secret}
        if self._settings.username is not None:
            pair = base64.b64encode(f"{self._settings.username}:{secret}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {"Authorization": f"Bearer {secret}"}


def _origin(setting: str) -> str:
    try:
        return address(setting).origin
    except NoAddress as reason:
        raise ConfigurationError(f"{ALLOWED} has an entry that is no address: {reason}") from None


def credentials_of(settings: ImageSettings) -> dict[str, Credentials]:
    """Origin -> its credentials."""
    return {_origin(each): Credentials(each, what) for each, what in settings.origin_credentials.items()}


def _is_moved_out(element: Json) -> bool:
    extensions = objects(an_object(element.get("_data")).get("extension"))
    return not element.get("data") and any(str(each.get("url")).rpartition("/")[2] == EXTERNALIZED for each in extensions)


def _binary(path: str) -> Reference | None:
    """The Binary that an address below the base names; None for anything else."""
    found = RELATIVE.reference(path.partition("?")[0].removesuffix("/"))
    return found if found is not None and found.kind == "Binary" else None


def _name(binary: Reference | None) -> str:
    return "content.url" if binary is None else str(binary)


def _is_that(content: Json, named: Reference) -> bool:
    """Whether the resource is the Binary that was asked for, as far as it states id and version."""
    stated = an_object(content.get("meta")).get("versionId")
    same_version = named.version is None or stated is None or version_of(content) == named.version
    return content.get("id") in (None, named.id) and same_version


def _resource(body: bytes) -> Json:
    try:
        return an_object(orjson.loads(body.removeprefix(codecs.BOM_UTF8)))
    except orjson.JSONDecodeError:
        return {}


def _decoded(data: object, media: str) -> bytes:
    found = base64_binary(data)
    if found is None:
        raise MediaMalformed("the base64 text cannot be decoded", reference=media)
    return found
