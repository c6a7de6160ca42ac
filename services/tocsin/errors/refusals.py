"""Every refusal that an operator can meet in a dead letter; each class's docstring is the sentence that its log line has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tocsin.errors.base import Refused


class MalformedEvent(Refused):
    """The record on the imaging topic is not an imaging event."""

    reason = "malformed-event"
    advice = (
        "Correct the producer (the contract is schemas/events/imaging-event.v1.schema.json) and have it publish the event again. Then "
        "close the dead letter: a replay sends the same record and would be refused again."
    )


class NotJson(MalformedEvent):
    """The record's value is not JSON text in UTF-8."""

    reason = "not-json"


class SchemaMismatch(MalformedEvent):
    """The record is JSON but does not fit the imaging event's schema."""

    reason = "schema-mismatch"


class VersionUnknown(MalformedEvent):
    """The event names a schema version that this Tocsin does not read."""

    reason = "version-unknown"
    advice = "Deploy a Tocsin that reads this version before its producer, then replay the dead letter."


class RecordUnreadable(MalformedEvent):
    """What stands at this position of the imaging topic cannot be read, so it was passed over; the dead letter has no original."""

    reason = "unreadable"
    advice = (
        "Look at the position with Kafka's own tools (kafka-dump-log); where it was too large, raise TOCSIN_KAFKA__UNPACKED_BYTES_MAX. "
        "Have the producer publish the event again, then close the dead letter. Reconciliation finds the picture too, where the record has "
        "it."
    )


class IdentityUnsafe(Refused):
    """It is not certain whose picture this is, so nothing was written about anybody."""

    reason = "identity-unsafe"


class SubjectMissing(IdentityUnsafe):
    """The Media, or the event's study, names no patient."""

    reason = "subject-missing"
    advice = "Give the Media its subject in the source system, then replay the dead letter."


class SubjectMismatch(IdentityUnsafe):
    """The event and the Media name different patients."""

    reason = "subject-mismatch"
    advice = (
        "Find out first which patient is right: the source system may have swapped two. Where the Media is wrong, correct it and replay "
        "the dead letter; where the event is, have a right one published and close the dead letter."
    )


class SubjectNotAPatient(IdentityUnsafe):
    """The Media, or the event's study, is about no patient but about a group, a device or the like."""

    reason = "subject-not-a-patient"
    advice = "Close the dead letter if this is so; else give the Media its patient in the source system, then replay the dead letter."


class SubjectUnresolved(IdentityUnsafe):
    """The Media, or the event's study, refers to its patient in a way that this FHIR server cannot resolve."""

    reason = "subject-unresolved"
    advice = (
        "Have the source system refer to the Patient on this FHIR server (Patient/id, or its address below TOCSIN_FHIR__BASE_URL), then "
        "replay the dead letter."
    )


class PatientUnknown(IdentityUnsafe):
    """The FHIR server does not know the patient whom the Media names."""

    reason = "patient-unknown"
    advice = "Load the Patient into the FHIR server, then replay the dead letter."


class PatientInactive(IdentityUnsafe):
    """The patient's record is inactive or was merged into another."""

    reason = "patient-inactive"
    advice = "Point the Media at the surviving Patient record, publish a new event that names it, then close the dead letter."


class ContentUnusable(Refused):
    """The picture the event names cannot be used."""

    reason = "content-unusable"


class MediaUnknown(ContentUnusable):
    """The FHIR server has no Media of this id."""

    reason = "media-unknown"
    advice = "Check that the producer writes the Media before it publishes the event, then replay the dead letter."


class MediaWithdrawn(ContentUnusable):
    """The Media was entered in error or never taken, so it must not be judged."""

    reason = "media-withdrawn"
    advice = "Close the dead letter if the withdrawal was meant; else correct the Media's status and replay the dead letter."


class MediaMalformed(ContentUnusable):
    """What the FHIR server answered is not a Media that Tocsin can read."""

    reason = "media-malformed"
    advice = "Correct the resource in the source system, then replay the dead letter."


class ContentMissing(ContentUnusable):
    """The Media carries neither bytes nor an address to fetch them from, or the address holds nothing."""

    reason = "content-missing"
    advice = "Have the source store the picture, in the Media or at the address that it names, then replay the dead letter or close it."


class ContentTypeWrong(ContentUnusable):
    """The attachment's content type is neither JPEG nor PNG, or contradicts its bytes."""

    reason = "content-type-wrong"
    advice = "Have the source store a JPEG or PNG and state its content type, then replay the dead letter; close it where it is no picture."


class ContentTooLarge(ContentUnusable):
    """The attachment has more bytes than TOCSIN_IMAGE__CONTENT_BYTES_MAX allows."""

    reason = "content-too-large"
    advice = (
        "Have the source store a smaller picture, or raise TOCSIN_IMAGE__CONTENT_BYTES_MAX if such pictures are usual here; then replay "
        "the dead letter."
    )


class SizeMismatch(ContentUnusable):
    """The attachment's bytes are not as many as the Media says."""

    reason = "size-mismatch"
    advice = "The stored picture may be cut off: store it again, or correct the size that the Media states; then replay the dead letter."


class HashMalformed(ContentUnusable):
    """The attachment's hash is not written as FHIR has it, so that it proves nothing; the picture itself may be whole."""

    reason = "hash-malformed"
    advice = "Have the source write the SHA-1 of the picture's bytes in base64, or no hash, then replay the dead letter."


class HashMismatch(ContentUnusable):
    """The attachment's SHA-1 is not the one the Media states: the picture changed on its way."""

    reason = "hash-mismatch"
    advice = (
        "Treat the stored picture as damaged or swapped until its source has been checked; then correct picture or hash, and replay the "
        "dead letter."
    )


class UrlNotAllowed(ContentUnusable):
    """The attachment's address is not on TOCSIN_IMAGE__URL_ORIGINS_ALLOWED; nothing was sent there."""

    reason = "url-not-allowed"
    advice = (
        "If the origin is the hospital's own, add it to TOCSIN_IMAGE__URL_ORIGINS_ALLOWED; else correct the address in the Media. Then "
        "replay the dead letter."
    )


class UrlRedirected(ContentUnusable):
    """The attachment's address answered with a redirect that Tocsin does not follow: it follows one, to an allowed origin only."""

    reason = "url-redirected"
    advice = (
        "If the origin that the redirect leads to is the hospital's own, add it to TOCSIN_IMAGE__URL_ORIGINS_ALLOWED; else have the Media "
        "name where the picture lies. Then replay the dead letter."
    )


class UrlRefused(ContentUnusable):
    """The attachment's server refused to hand the picture out."""

    reason = "url-refused"
    advice = (
        "Check that Tocsin may read the picture there (TOCSIN_IMAGE__ORIGIN_CREDENTIALS holds what an origin asks for), then replay the "
        "dead letter."
    )


class NotAnImage(ContentUnusable):
    """The attachment's bytes are not a JPEG or PNG picture of a kind that Tocsin reads."""

    reason = "not-an-image"
    advice = "Have the source store the picture as a usual JPEG or PNG, then replay the dead letter; close it where the file is no picture."


class ImageTruncated(ContentUnusable):
    """The picture's bytes end early or are damaged."""

    reason = "image-truncated"
    advice = "Have the device or archive store the whole picture again, then replay the dead letter; close it where the picture is lost."


class TooManyPixels(ContentUnusable):
    """The picture would unfold to more pixels than TOCSIN_IMAGE__PIXELS_MAX allows; it was not decoded."""

    reason = "too-many-pixels"
    advice = (
        "Have the source store a smaller picture, or raise TOCSIN_IMAGE__PIXELS_MAX if such pictures are usual here; then replay the dead "
        "letter."
    )


class StudyUnknown(ContentUnusable):
    """The FHIR server has no ImagingStudy of the id that the event names."""

    reason = "study-unknown"
    advice = "Check that the producer writes the ImagingStudy before it publishes the event, then replay the dead letter."


class FhirRejected(Refused):
    """The FHIR server refused the request, and would refuse it again."""

    reason = "fhir-rejected"
    advice = (
        "The detail names the status, and the OperationOutcome's codes and elements: correct what the server finds wrong, then replay the "
        "dead letter. Where `tocsin check` fails too, the server refuses every report."
    )


class TensorRejected(Refused):
    """The model refused the input it was given."""

    reason = "tensor-rejected"
    advice = "Run `tocsin check`: the served model and its card may disagree. Mend that, then replay the dead letter."


class ReportUnsafe(Refused):
    """Writing the report could harm somebody, so it was not written."""

    reason = "report-unsafe"


class ReportOfAnother(ReportUnsafe):
    """A report on this very picture already stands under another patient; nothing was written under this one."""

    reason = "report-of-another"
    advice = (
        "Find out first whose picture it is, and set the wrong report's status to entered-in-error. Then store the picture as a new Media "
        "under the right patient, announce that one, and close the dead letter: a replay would be refused again."
    )


class ReportDeleted(ReportUnsafe):
    """The report on this very picture was deleted from the FHIR server; it was not written again."""

    reason = "report-deleted"
    advice = "Close the dead letter if the deletion was meant; else restore the report on the FHIR server, then replay the dead letter."


class ReportInvalid(ReportUnsafe):
    """The report that Tocsin composed breaks the FHIR R4 rules, so it was not sent."""

    reason = "report-invalid"
    advice = "This is a defect of Tocsin: report the detail, and replay the dead letter with the version that mends it."


class AttemptsExhausted(Refused):
    """A neighbour failed on this event again and again while it served others."""

    reason = "attempts-exhausted"
    kind = "transient"
    advice = (
        "`tocsin work` replays the dead letter by itself. Where it comes back, look for this reference in the neighbour's own log, mend "
        "what it says, then replay the dead letter or close it."
    )


class Poisoned(Refused):
    """The process died each time it took this event up."""

    reason = "poison"
    kind = "poison"
    advice = (
        "Open the picture in a separate process first: a replay may kill the consumer again. Then replay the dead letter by its id, or "
        "close it."
    )


class DefectFound(Refused):
    """Tocsin itself failed on this event in a way nobody foresaw."""

    reason = "defect"
    advice = "This is a defect of Tocsin: report the detail, and replay the dead letter with the version that mends it."


def refusals(root: type[Refused] = Refused) -> Iterator[type[Refused]]:
    """Every kind of refusal below `root`, itself and the abstract ones included."""
    yield root
    for child in root.__subclasses__():
        yield from refusals(child)


@cache
def reasons() -> frozenset[str]:
    """Every reason code that a dead letter may have: those of the classes in this module without a subclass in it."""
    ours = [each for each in refusals() if each.__module__ == __name__]
    return frozenset(each.reason for each in ours if not any(other is not each and issubclass(other, each) for other in ours))
