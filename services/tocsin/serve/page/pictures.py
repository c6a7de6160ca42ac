"""The bytes of a picture through Tocsin's own origin: by the reader's token, checked, and stated as what they are."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from flask import Response

from tocsin.errors import Contended, ContentTooLarge, ContentTypeWrong, NotAnImage
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, reference_to, text
from tocsin.image.attachment import attachment_of, verify
from tocsin.image.content import Contents
from tocsin.image.decode import FORMATS, form_of
from tocsin.image.png import still
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.report.resources.mark import stored_report
from tocsin.report.types import IN_ERROR
from tocsin.serve.page.reading import NotHere, read_picture_of
from tocsin.serve.types import Session

MEDIA_TYPES = {form: media_type for media_type, form in FORMATS.items()}


class Changed(Contended):
    """The picture is not the one that was judged: its bytes were changed since."""


def picture(fhir: FhirClient, contents: Contents, session: Session, report_id: str, media_id: str | None) -> Response:
    """The very picture that a report judged, or another picture of its patient where `media_id` names that; one that does not move.

    Raises NotHere, SignedOut, IdentityUnsafe, Refused where the bytes are not what the record says, and Deferred. Bytes that changed since
    they were judged are not shown: Changed.
    """
    report, media = read_picture_of(fhir, session, report_id, media_id)
    if text(report.get("status")) == IN_ERROR or text(media.get("status")) in WITHDRAWN_MEDIA:
        raise NotHere
    reference = reference_to(media)
    attachment = attachment_of(media, reference)
    content = contents.read(attachment, reference, media.get("meta"))
    verify(attachment, content, reference)
    if media_id is None:
        _check_judged(report, content, reference)
    form = form_of(content)
    if form is None:
        raise NotAnImage("neither JPEG nor PNG", reference=reference)
    shown = still(content) if form == "PNG" else content
    return Response(shown, HTTPStatus.OK, {"Content-Type": MEDIA_TYPES[form], "Content-Disposition": "inline"})


def status_of(error: Exception) -> HTTPStatus:
    """The status that says why a picture is not shown."""
    match error:
        case ContentTooLarge():
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case ContentTypeWrong() | NotAnImage():
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        case _:
            return HTTPStatus.CONFLICT


def _check_judged(report: Json, content: bytes, reference: str) -> None:
    mark = stored_report(report).mark
    if mark is not None and hashlib.sha256(content).hexdigest() != mark.content_sha256:
        raise Changed(reference, "the picture was changed after it was judged")
