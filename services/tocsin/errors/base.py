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
from pathlib import Path
from typing import ClassVar, Final, Literal

Kind = Literal["permanent", "transient", "poison"]
"""permanent: something must be corrected first; transient: a neighbour failed, and a replay may succeed; poison: it killed the process."""


class TocsinError(Exception):
    """Something went wrong that Tocsin knows how to name."""


class Refused(TocsinError):
    """The event can never succeed as it is; it went to the dead-letter topic and the next event went on."""

    reason: ClassVar[str] = "refused"
    kind: ClassVar[Kind] = "permanent"
    advice: ClassVar[str] = "Correct what the detail names in the source system, then replay the dead letter or close it."

    def __init__(self, detail: str, *, reference: str | None = None) -> None:
        """`detail` says what was seen; `reference` is the FHIR reference or id it was seen on, never a name."""
        super().__init__(f"{reference}: {detail}" if reference else detail)
        self.detail = detail
        self.reference = reference

    @property
    def sentence(self) -> str:
        """What this kind of refusal means, for an operator."""
        return inspect.cleandoc(type(self).__doc__ or "")


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

    served: frozenset[str] = frozenset()
    """Neighbours that did their part for the event before this neighbour failed."""

    def __init__(self, neighbour: str, detail: str, *, retry_after_s: float | None = None) -> None:
        """`retry_after_s` is the pause that the neighbour asked for, if it did."""
        super().__init__(neighbour, detail)
        self.retry_after_s = retry_after_s


class Contended(Deferred):
    """Another program or event was quicker, or holds what this event needs; this event alone waits and is tried again."""


FHIR: Final = "fhir"
KAFKA: Final = "kafka"
TRITON: Final = "triton"
MEMORY: Final = "memory"
"""What an event waits for where there is no room for its picture: this machine's memory, which is no neighbour."""


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


FRAMES_MAX: Final = 8
CAUSES_MAX: Final = 4


def where(error: BaseException) -> str:
    """The kind and place of an unforeseen error and of its causes; their texts may quote a patient and stay out.

    `ValueError at PIL/Image.py:3002 < image/decode.py:41 < journey.py:62`: where it was raised, then Tocsin's frames, the innermost first.
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


_HOUSE: Final = Path(__file__).parents[1]
