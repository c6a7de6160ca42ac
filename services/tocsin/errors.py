"""The error tree, split by what can be done about it.

    TocsinError
    |-- Refused              this event can never succeed: dead-letter it, go on with the next
    |   |-- MalformedEvent       NotJson, SchemaMismatch, VersionUnknown, RecordUnreadable
    |   |-- IdentityUnsafe       SubjectMissing, SubjectNotAPatient, SubjectUnresolved, SubjectMismatch, PatientUnknown,
    |   |                        PatientInactive
    |   |-- ContentUnusable      MediaUnknown, MediaWithdrawn, MediaMalformed, ContentMissing, ContentTypeWrong, ContentTooLarge,
    |   |                        SizeMismatch, HashMalformed, HashMismatch, UrlNotAllowed, UrlRedirected, UrlRefused,
    |   |                        NotAnImage, ImageTruncated, TooManyPixels, StudyUnknown
    |   |-- FhirRejected         the FHIR server will not take what was asked of it
    |   |-- TensorRejected       the model will not take this input
    |   |-- ReportUnsafe         ReportOfAnother, ReportDeleted, ReportInvalid: the report must not be written
    |   |-- AttemptsExhausted    a neighbour failed on this event alone, time after time
    |   |-- Poisoned             the process died over this event, time after time
    |   `-- DefectFound          Tocsin itself failed in a way nobody foresaw
    |-- Deferred             keep the event's place and try again later; one of these two, never Deferred itself:
    |   |-- Unavailable          a neighbour is away or busy: it moves its circuit breaker, and so holds other events up too
    |   `-- Contended            this event alone lost a race: all neighbours are well, and only it waits
    `-- Stop                 a person has to act: the process ends with this message
        |-- ConfigurationError   a setting or a model card is wrong
        |-- ContractError        a neighbour is not what the configuration says it is
        |   `-- RecordTooLarge       a topic takes no record of this size
        |-- OutageTooLong        a neighbour stayed away for longer than its budget
        `-- Broken               Tocsin itself failed outside any one event

Each class's docstring is the sentence an operator reads. A message names references and hashes, never a person.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

Kind = Literal["permanent", "transient", "poison"]
"""permanent: something must be corrected first; transient: a neighbour failed, and a replay may succeed; poison: it killed the process."""


class TocsinError(Exception):
    """Something Tocsin knows how to name went wrong."""


class Refused(TocsinError):
    """The event can never succeed as it is; it went to the dead-letter topic and the next event went on."""

    reason: ClassVar[str] = "refused"
    kind: ClassVar[Kind] = "permanent"
    advice: ClassVar[str] = "Look at the dead letter, correct its source and publish the event again."

    def __init__(self, detail: str, *, reference: str | None = None) -> None:
        """`detail` says what was seen; `reference` is the FHIR reference or id it was seen on, never a name."""
        super().__init__(f"{reference}: {detail}" if reference else detail)
        self.detail = detail
        self.reference = reference

    @property
    def sentence(self) -> str:
        """What this kind of refusal means, for an operator."""
        return inspect.cleandoc(type(self).__doc__ or "")


class MalformedEvent(Refused):
    """The record on the imaging topic is not an imaging event."""

    reason = "malformed-event"
    advice = "Correct the producer: schemas/events/imaging-event.v1.schema.json is the contract."


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
        "Look at the position with Kafka's own tools (kafka-dump-log) and have its producer publish it again; where it was too large, "
        "raise TOCSIN_KAFKA__UNPACKED_BYTES_MAX and have it published again. Reconciliation finds the picture where the record has it."
    )


class IdentityUnsafe(Refused):
    """It is not certain whose picture this is, so nothing was written about anybody."""

    reason = "identity-unsafe"


class SubjectMissing(IdentityUnsafe):
    """The Media, or the study that the event names, says of no patient that it is theirs."""

    reason = "subject-missing"
    advice = "Give the Media its subject in the source system, then replay the dead letter."


class SubjectMismatch(IdentityUnsafe):
    """The event and the Media name different patients."""

    reason = "subject-mismatch"
    advice = "Find out which is right before anything else: the source system may have swapped two patients."


class SubjectNotAPatient(IdentityUnsafe):
    """The Media, or the study that the event names, is not about a patient but about a group, a device or the like."""

    reason = "subject-not-a-patient"
    advice = "Nothing to do if this is so; else give the Media its patient in the source system, then replay the dead letter."


class SubjectUnresolved(IdentityUnsafe):
    """The Media, or the study that the event names, names its patient in a way that this FHIR server cannot resolve."""

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
    advice = "Nothing to do if the withdrawal was meant; else correct the Media's status and replay the dead letter."


class MediaMalformed(ContentUnusable):
    """What the FHIR server answered is not a Media that Tocsin can read."""

    reason = "media-malformed"
    advice = "Correct the resource in the source system, then replay the dead letter."


class ContentMissing(ContentUnusable):
    """The Media carries neither bytes nor an address to fetch them from, or the address holds nothing."""

    reason = "content-missing"


class ContentTypeWrong(ContentUnusable):
    """The attachment says that it is something else than a JPEG or PNG picture, or the other of the two than its bytes are."""

    reason = "content-type-wrong"


class ContentTooLarge(ContentUnusable):
    """The attachment has more bytes than TOCSIN_IMAGE__CONTENT_BYTES_MAX allows."""

    reason = "content-too-large"
    advice = "Send a smaller picture, or raise TOCSIN_IMAGE__CONTENT_BYTES_MAX if such pictures are usual here."


class SizeMismatch(ContentUnusable):
    """The attachment's bytes are not as many as the Media says."""

    reason = "size-mismatch"


class HashMalformed(ContentUnusable):
    """The attachment's hash is written in another way than FHIR has it, so that it proves nothing; the picture itself may be whole."""

    reason = "hash-malformed"
    advice = "Have the source write the SHA-1 of the picture's bytes in base64, or no hash, then replay the dead letter."


class HashMismatch(ContentUnusable):
    """The attachment's SHA-1 is not the one the Media states: the picture changed on its way."""

    reason = "hash-mismatch"
    advice = "Treat the stored picture as damaged or swapped until its source has been checked."


class UrlNotAllowed(ContentUnusable):
    """The attachment's address is not on TOCSIN_IMAGE__URL_ORIGINS_ALLOWED; nothing was sent there."""

    reason = "url-not-allowed"
    advice = "Add the origin to TOCSIN_IMAGE__URL_ORIGINS_ALLOWED if it is the hospital's own, then replay the dead letter."


class UrlRedirected(ContentUnusable):
    """The attachment's address answered with a redirect that Tocsin does not follow: one is, and only to an allowed origin."""

    reason = "url-redirected"
    advice = "Add the origin it leads to to TOCSIN_IMAGE__URL_ORIGINS_ALLOWED if it is the hospital's own, then replay the dead letter."


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


class ImageTruncated(ContentUnusable):
    """The picture's bytes end early or are damaged."""

    reason = "image-truncated"


class TooManyPixels(ContentUnusable):
    """The picture would unfold to more pixels than TOCSIN_IMAGE__PIXELS_MAX allows; it was not decoded."""

    reason = "too-many-pixels"


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
    advice = "Run `tocsin check`: the served model and its card may disagree."


class ReportUnsafe(Refused):
    """Writing the report could harm somebody, so it was not written."""

    reason = "report-unsafe"


class ReportOfAnother(ReportUnsafe):
    """A report on this very picture already stands under another patient; nothing was written under this one."""

    reason = "report-of-another"
    advice = (
        "Find out whose picture it is before anything else; enter the wrong report in error; then store the picture as a new Media under "
        "the right patient and announce that: on this Media, the dead letter would be refused again."
    )


class ReportDeleted(ReportUnsafe):
    """The report on this very picture was deleted from the FHIR server; it was not written again."""

    reason = "report-deleted"
    advice = "Nothing to do if the deletion was meant; else restore the report on the FHIR server."


class ReportInvalid(ReportUnsafe):
    """The report that Tocsin composed breaks the FHIR R4 rules, so it was not sent."""

    reason = "report-invalid"
    advice = "This is a defect of Tocsin: report the detail, and replay the dead letter with the version that mends it."


class AttemptsExhausted(Refused):
    """A neighbour failed on this event again and again while it served others."""

    reason = "attempts-exhausted"
    kind = "transient"
    advice = "Read the neighbour's own log for this reference, then replay the dead letter."


class Poisoned(Refused):
    """The process died each time it took this event up."""

    reason = "poison"
    kind = "poison"
    advice = "Find out what its picture does to a process of its own before you replay the dead letter: it may kill the service again."


class DefectFound(Refused):
    """Tocsin itself failed on this event in a way nobody foresaw."""

    reason = "defect"
    advice = "This is a defect of Tocsin: report the detail, and replay the dead letter with the version that mends it."


class Deferred(TocsinError):
    """The event cannot end now; it keeps its place and is tried again. Raise Unavailable or Contended."""

    retry_after_s: float | None = None

    def __init__(self, neighbour: str, detail: str) -> None:
        """`neighbour` is kafka, fhir, triton, redis, the origin of a URL, or whatever else the event waits for, as MEMORY."""
        super().__init__(f"{neighbour}: {detail}")
        self.neighbour = neighbour
        self.detail = detail


class Unavailable(Deferred):
    """A neighbour is away or busy; every event that needs it keeps its place until it serves again."""

    def __init__(self, neighbour: str, detail: str, *, retry_after_s: float | None = None) -> None:
        """`retry_after_s` is what the neighbour asked for, if it did."""
        super().__init__(neighbour, detail)
        self.retry_after_s = retry_after_s


class Contended(Deferred):
    """Another was quicker, or has what this event needs; it alone waits and is tried again."""


MEMORY: Final = "memory"
"""What an event contends for where there is no room for its picture; no neighbour."""


class Stop(TocsinError):
    """A person has to act before Tocsin can go on; no offset was committed past an undecided event."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(Stop):
    """A setting or a model card is wrong."""

    exit_code = 78  # EX_CONFIG, sysexits.h


class ContractError(Stop):
    """A neighbour is not what the configuration says it is."""

    exit_code = 76  # EX_PROTOCOL, sysexits.h


class RecordTooLarge(ContractError):
    """A topic takes no record of this size: raise its max.message.bytes and TOCSIN_KAFKA__SEND_BYTES_MAX."""


class OutageTooLong(Stop):
    """A neighbour stayed away for longer than TOCSIN_CONSUME__OUTAGE_BUDGET_S; every undecided event kept its place."""

    exit_code = 75  # EX_TEMPFAIL, sysexits.h


class Broken(Stop):
    """Tocsin itself failed outside any one event; every undecided event kept its place. This is a defect: report the detail."""

    exit_code = 70  # EX_SOFTWARE, sysexits.h


def refusals(root: type[Refused] = Refused) -> Iterator[type[Refused]]:
    """Every kind of refusal, the abstract ones too."""
    yield root
    for child in root.__subclasses__():
        yield from refusals(child)


def reasons() -> frozenset[str]:
    """Every reason code that a dead letter may have: those of the classes here that no other class here is a kind of."""
    ours = [each for each in refusals() if each.__module__ == __name__]
    return frozenset(each.reason for each in ours if not any(other is not each and issubclass(other, each) for other in ours))


FRAMES_MAX: Final = 8
CAUSES_MAX: Final = 4


def where(error: BaseException) -> str:
    """The kind and place of an unforeseen error, and of what caused it; its text may quote a patient and stays out.

    `ValueError at PIL/Image.py:3002 < image/decode.py:41 < journey.py:62`: where it was raised, then our own frames, the innermost first.
    """
    told = [_place(error)]
    seen: BaseException | None = error
    while len(told) < CAUSES_MAX and seen is not None:
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        if seen is not None:
            told.append(_place(seen))
    return ", caused by ".join(told)


def _place(error: BaseException) -> str:
    frames = list(reversed(traceback.extract_tb(error.__traceback__)))
    if not frames:
        return type(error).__name__
    inner, *outer = frames
    ours = [frame for frame in outer if Path(frame.filename).is_relative_to(_HOUSE)]
    return f"{type(error).__name__} at " + " < ".join(map(_line, [inner, *ours][:FRAMES_MAX]))


def _line(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    short = path.relative_to(_HOUSE) if path.is_relative_to(_HOUSE) else Path(path.parent.name, path.name)
    return f"{short.as_posix()}:{frame.lineno}"


_HOUSE: Final = Path(__file__).parent
