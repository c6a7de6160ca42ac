"""FHIR R4's datatypes as Tocsin reads them, in one place: a server's answer is input like any other, and is checked before use.

Each function takes any JSON value and returns what it holds, or nothing where it holds something else; none of them raises.
"""

from __future__ import annotations

import base64
import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from typing import Any, Final

from tocsin.fhir.canonical import OTHER_NAMES

Json = dict[str, Any]
"""A JSON object (RFC 8259), such as a resource or an element of one (FHIR R4, json.html)."""

FHIR_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
"""A resource's id (FHIR R4, datatypes.html#id), as a regular expression."""
_ID: Final = re.compile(FHIR_ID)
_UPWARDS: Final = frozenset({".", ".."})
"""Ids that R4 allows and Tocsin never requests: in an address they lead upwards (RFC 3986, 5.2.4)."""

_DATE_TIME: Final = re.compile(r"(?P<day>(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<date>[0-9]{2}))?)?)(?P<time>[Tt ].*)?")
_TIME: Final = re.compile(
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
)
"""The time that R4 allows after a day: with seconds, which may be a leap second, and an offset from UTC."""
_SPACE: Final = re.compile(r"\s+")
_LEAP: Final = re.compile(r"(T[0-9]{2}:[0-9]{2}:)60")
_SECOND: Final = timedelta(seconds=1)
_CODE: Final = re.compile(r"\S+(?:\s\S+)*")
"""A code (FHIR R4, datatypes.html#code): no white space at its ends, and never two white spaces in a row."""
_ADDRESS: Final = {other: address for address, others in OTHER_NAMES.items() for other in others}
_LITERAL: Final = re.compile(
    rf"(?:(?P<base>[Hh][Tt][Tt][Pp][Ss]?://\S+?)/)?(?P<kind>[A-Z][A-Za-z]{{1,63}})/(?P<id>{FHIR_ID})(?:/_history/(?P<version>{FHIR_ID}))?"
)


def an_object(value: object) -> Json:
    """The value if it is a JSON object; an empty object for any other value."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Json]:
    """The JSON objects in the value if it is an array; none for any other value."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The value if it is a JSON string; an empty string for any other value."""
    return value if isinstance(value, str) else ""


def instant(value: object) -> datetime | None:
    """The aware time of an instant, or of a dateTime that has a time of day (FHIR R4, datatypes.html#instant).

    None for any value that names no single moment, and outside the years 2 to 9998, so that a year before or after the time is a datetime
    too. A leap second becomes the second after it, as in POSIX. Forms that ISO 8601 allows and R4 does not, such as a time without
    seconds, are read all the same.
    """
    stated = text(value)
    counted = _LEAP.sub(r"\g<1>59", stated) if ":60" in stated else stated
    try:
        read = datetime.fromisoformat(counted)
        when = read if counted == stated else read + _SECOND
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo and MINYEAR < when.year < MAXYEAR else None


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date or dateTime, as exactly as it is stated: a year, a month, a day or a moment (FHIR R4, datatypes.html#dateTime)."""

    first: date
    """The first day that it may be, by the calendar of its place."""
    last: date
    """The last day that it may be; equal to `first` where a day is stated."""
    text: str
    """The text as stated, without a time of day that R4 does not allow."""


def date_time(value: object) -> DateTime | None:
    """The date or dateTime, read without white space around it; None for any value that names no day of the calendar."""
    form = _DATE_TIME.fullmatch(text(value).strip())
    if form is None or (form["time"] and not form["date"]):
        return None
    try:
        first = date(int(form["year"]), int(form["month"] or 1), int(form["date"] or 1))
    except ValueError:
        return None
    last = first if form["date"] else _last_day(first.year, int(form["month"] or 12))
    allowed = _TIME.fullmatch(form["time"] or "")
    return DateTime(first, last, form["day"] + (form["time"] if allowed else ""))


def _last_day(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def to_the_millisecond(when: datetime) -> datetime:
    """The time cut off after its milliseconds, which is what every FHIR server keeps of an instant."""
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def as_instant(when: datetime) -> str:
    """The aware time as FHIR writes an instant, to the millisecond."""
    return when.isoformat(timespec="milliseconds")


def fhir_id(value: object) -> str | None:
    """The id (FHIR R4, datatypes.html#id) by which a resource can be requested; None for any other value."""
    found = text(value)
    return found if _ID.fullmatch(found) and found not in _UPWARDS else None


def reference_to(resource: Json) -> str:
    """Type/<id>, as a resource names itself (FHIR R4, resource.html#id); empty where it has no type or no id."""
    kind, id_ = text(resource.get("resourceType")), fhir_id(resource.get("id"))
    return f"{kind}/{id_}" if kind and id_ else ""


def is_resource(value: Json, kind: str) -> bool:
    """Whether the value is a resource of the type `kind` that has an id."""
    return value.get("resourceType") == kind and reference_to(value) != ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource of one server, as a literal reference names it."""

    kind: str
    """Its resource type."""
    id: str
    version: str | None = None
    """The version that is named, where one is; the resource is the same without it."""

    @property
    def local(self) -> str:
        """Type/<id>: equal wherever two references name one resource."""
        return f"{self.kind}/{self.id}"

    def __str__(self) -> str:
        """Type/<id>, and /_history/<version> where one is named."""
        return self.local if self.version is None else f"{self.local}/_history/{self.version}"


def literal(value: object) -> tuple[str, Reference] | None:
    """The base address (empty: relative) and the resource that a literal reference names; None for any other reference.

    FHIR R4, references.html#literal and http.html#vread: [base/]Type/id[/_history/version].
    """
    match = _LITERAL.fullmatch(text(value))
    if match is None or fhir_id(match["id"]) is None or (match["version"] and fhir_id(match["version"]) is None):
        return None
    return match["base"] or "", Reference(match["kind"], match["id"], match["version"])


@dataclass(frozen=True, slots=True)
class Coding:
    """A FHIR Coding reduced to what identifies it (FHIR R4, datatypes.html#Coding)."""

    system: str | None
    """URI of its code system; None where none is stated."""
    code: str


def base64_binary(value: object) -> bytes | None:
    """The bytes of a base64Binary, which may hold white space (FHIR R4, datatypes.html#base64Binary); None where it is damaged."""
    written = _SPACE.sub("", text(value))
    if not isinstance(value, str) or len(written) % 4 or written.endswith("==="):  # Python takes padding after whole groups
        return None
    try:
        return base64.b64decode(written, validate=True)
    except ValueError:  # binascii.Error, and letters beyond ASCII
        return None


def coding(value: object) -> Coding | None:
    """The Coding as it is stated; None where its code or system cannot be read: a code of an unknown system could mean anything."""
    stated = an_object(value)
    system, code = stated.get("system"), text(stated.get("code"))
    if _CODE.fullmatch(code) is None or not (system is None or text(system)):
        return None
    return Coding(system, code)


def codings(concept: object) -> tuple[Coding, ...]:
    """The readable Codings of a CodeableConcept (FHIR R4, datatypes.html#CodeableConcept), each by its code system's own address."""
    return tuple(canonical(each) for each in map(coding, objects(an_object(concept).get("coding"))) if each is not None)


def canonical(coding: Coding) -> Coding:
    """The same coding by its code system's own address."""
    address = None if coding.system is None else _ADDRESS.get(coding.system.lower())
    return coding if address is None else Coding(address, coding.code)


def token(coding: Coding) -> str:
    """The coding as FHIR's search and Tocsin's settings write it: system|code, or |code without a system (FHIR R4, search.html#token)."""
    return f"{coding.system or ''}|{coding.code}"


def coding_of(token: str) -> Coding:
    """The coding that a token names, by its code system's own address; a token without a bar has no system."""
    system, _, code = token.rpartition("|")
    return canonical(Coding(system or None, code))


def version_of(resource: Json) -> str | None:
    """meta.versionId as text (FHIR R4, resource.html#Meta), though the server may state a number; None where it states none."""
    version = an_object(resource.get("meta")).get("versionId")
    return str(version) if isinstance(version, str | int) and not isinstance(version, bool) and str(version) else None


def state_of(resource: Json) -> str | None:
    """What tells one state of a resource from another: its version, else its time of update; None without either."""
    return version_of(resource) or text(an_object(resource.get("meta")).get("lastUpdated")) or None


def etag(version: str) -> str:
    """The version as If-Match and ifMatch have it (FHIR R4, http.html#concurrency)."""
    return f'W/"{version}"'
