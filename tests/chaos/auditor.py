"""What became of every event, from what Kafka and the FHIR server hold. It shares no code with the product.

An event has *ended* when one of these stands in a durable place:

- published, not assessable: its Media has an effective AI report (any status but entered-in-error), and a flag on the bus names that report
  and a picture that is the event's own or a later one of the same Media;
- refused, poison: a dead letter that is not transient carries the event's unchanged bytes as its original.

A transient dead letter alone is no ending: its event waits to be tried again.

*Lost* is an event without an ending, whether or not the group has committed past it; an event that ended in another way than it had to (a
good picture that ended as a dead letter is a melanoma nobody sees); an event that Kafka acknowledged and does not hold; and one that the
product itself put on another topic of the group's, and that was never committed.
*Duplicated reports* are effective AI reports on one Media beyond the first, or different report ids for one picture of a Media.
*Duplicated endings* are an event with both a flag and a dead letter that is not transient, flags of different ids for one picture of a
Media, and dead letters from one original position beyond the first. The same flag told again is counted apart as *repeated*: the bus
delivers at least once. A *swap* is a report or flag under another patient than the one whose picture it is. *Out of order* is a Media whose
picture changed and whose effective report is about another picture than the last; *unexplained* a withdrawn report that no Provenance
links to another report on the same Media, so that nobody can see what took its place; a *contradiction* a report of another status than
the last flag about it says, so that whoever listens to the bus believes what the record no longer says. *Aborted* is an event of a
transaction that was never committed, and that was judged or refused all the same.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.evidence import Bus, Json, Provenance, Record, Report, Topics, read_bus, read_record
from tests.chaos.manifest import NOT_ASSESSABLE, POISON, PUBLISHED, REFUSED_ANY, Event, Manifest
from tests.chaos.verdicts import Verdicts, judge_verdicts

WAITING = "waiting"
NONE = "none"
REFUSED = "refused"
WITHDRAWN = ("entered-in-error", "cancelled")
"""Statuses of a flag that calls nobody any more."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the audit found; each tuple has one line for each thing that is wrong."""

    events: int
    """Events that the load published."""
    records: int
    """Records on the imaging topic; more than events where one was published twice."""
    endings: Mapping[str, int]
    """Kind of ending -> events."""
    losses: tuple[str, ...]
    duplicated_reports: tuple[str, ...]
    duplicated_endings: tuple[str, ...]
    swaps: tuple[str, ...]
    out_of_order: tuple[str, ...]
    unexplained: tuple[str, ...]
    contradictions: tuple[str, ...]
    aborted: tuple[str, ...]
    superseded: int
    """Reports withdrawn because their picture was replaced."""
    repeated: int
    """Flags told again."""
    uncommitted: int
    """Records behind the group's committed offsets."""
    verdicts: Verdicts = field(default_factory=Verdicts)
    """Of clinicians."""

    @property
    def lost(self) -> int:
        """Events without the ending they had to have, and verdicts that are neither in the record nor visibly not yet there."""
        return len(self.losses) + len(self.verdicts.lost)

    @property
    def duplicated(self) -> int:
        """Reports, endings and recorded verdicts beyond the first."""
        return len(self.duplicated_reports) + len(self.duplicated_endings) + len(self.verdicts.doubled)

    @property
    def clean(self) -> bool:
        """Whether every event has its one ending, under the right patient, and every offset is committed."""
        orderly = not any((self.swaps, self.out_of_order, self.unexplained, self.contradictions, self.aborted, self.verdicts.overridden))
        return orderly and self.lost == self.duplicated == self.uncommitted == 0


def audit(manifest: Manifest, *, bootstrap_servers: str, topics: Topics, fhir: str) -> Findings:
    """The findings on what Kafka and the FHIR server hold now. Raises EvidenceMissing where they cannot be read."""
    return judge(manifest, read_bus(bootstrap_servers, topics), read_record(fhir))


def judge(manifest: Manifest, bus: Bus, record: Record) -> Findings:
    """The findings on this evidence."""
    told = _Told(manifest, bus)
    reports = _reports_by_media(manifest, record)
    pictures = {report: picture for each in record.provenances for report, picture in _judged(each)} | told.picture_of
    return Findings(
        events=len(manifest.events),
        records=len(bus.events),
        endings=dict(Counter(told.ending(event) for event in manifest.events)),
        losses=(*_losses(manifest, bus, told, reports), *_left_lying(bus)),
        duplicated_reports=tuple(_duplicated_reports(pictures, reports)),
        duplicated_endings=tuple(_duplicated_endings(manifest, bus, told)),
        swaps=tuple(_swaps(manifest, bus, reports)),
        out_of_order=tuple(_out_of_order(manifest, pictures, reports)),
        unexplained=tuple(_unexplained(record, reports)),
        contradictions=tuple(_contradictions(bus, reports)),
        aborted=tuple(_aborted(manifest, bus)),
        superseded=sum(not report.effective for each in reports.values() for report in each),
        repeated=len(bus.flags) - len({(flag["id"], flag.get("status")) for flag in bus.flags}),
        uncommitted=sum(bus.uncommitted.values()),
        verdicts=judge_verdicts(manifest.verdicts, bus.verdicts, record.acts, record.histories),
    )


def waiting(manifest: Manifest, bus: Bus) -> list[Event]:
    """Events that the bus tells no ending of."""
    told = _Told(manifest, bus)
    return [event for event in manifest.events if told.ending(event) in (WAITING, NONE)]


class _Told:
    """What the bus tells of each event."""

    def __init__(self, manifest: Manifest, bus: Bus) -> None:
        self._manifest = manifest
        self.flags: dict[tuple[str, str], list[Json]] = defaultdict(list)
        """Media and picture -> its flags, the earliest of a partition first."""
        self.flagged_events: set[str] = {flag["event"] for flag in bus.flags}
        self.letters: dict[str, list[Json]] = defaultdict(list)
        """Value, base64 -> the dead letters that carry it."""
        self.picture_of: dict[str, str] = {flag["report"]: flag["content_sha256"] for flag in bus.flags}
        """Report -> the picture its flag says it is about."""
        for flag in bus.flags:
            self.flags[flag["media"], flag["content_sha256"]].append(flag)
        for letter in bus.letters:
            self.letters[letter["original"]["value"] or ""].append(letter)

    def ending(self, event: Event) -> str:
        """How it ended; WAITING for its next try, or NONE."""
        letters = self.letters.get(event.value, [])
        final = [letter for letter in letters if letter["class"] != "transient"]
        if final:
            return POISON if final[-1]["class"] == "poison" else REFUSED
        flag = self.flag(event)
        if flag is not None:
            return PUBLISHED if flag["outcome"] == "assessed" else NOT_ASSESSABLE
        return WAITING if letters else NONE

    def reasons(self, event: Event) -> set[str]:
        """The reasons of its dead letters that are not transient."""
        return {letter["reason"] for letter in self.letters.get(event.value, []) if letter["class"] != "transient"}

    def flag(self, event: Event) -> Json | None:
        """The last flag that ends it."""
        flags = [flag for content in self._contents_since(event) for flag in self.flags.get((event.media or "", content), [])]
        holding = [flag for flag in flags if flag.get("status") not in WITHDRAWN]
        return holding[-1] if holding else None

    def _contents_since(self, event: Event) -> Sequence[str]:
        """The event's picture, and those that took its place."""
        contents = self._manifest.contents.get(event.media or "", ())
        return contents[contents.index(event.content) :] if event.content in contents else ()


def _reports_by_media(manifest: Manifest, record: Record) -> Mapping[str, list[Report]]:
    reports: dict[str, list[Report]] = {media: [] for media in manifest.contents}
    for report in record.reports:
        for media in set(report.media) & reports.keys():
            reports[media].append(report)
    return reports


def _losses(manifest: Manifest, bus: Bus, told: _Told, reports: Mapping[str, list[Report]]) -> Iterator[str]:
    places = {base64.b64encode(seen.value).decode(): seen.place for seen in bus.events}
    for event in manifest.events:
        why = _loss(event, told, reports)
        if event.value not in places:
            yield f"{event.id}: acknowledged by Kafka, and not on the topic"
        elif why:
            topic, partition, offset = places[event.value]
            passed = "committed past it" if bus.committed.get((topic, partition), 0) > offset else "not committed"
            yield f"{event.id} ({event.media}, {topic}[{partition}]@{offset}, {passed}): {why}"


def _left_lying(bus: Bus) -> Iterator[str]:
    imaging = {seen.place[0] for seen in bus.events}
    for topic, count in bus.uncommitted.items():
        yield from (f"{topic}: {count} records were never committed" for _ in range(count) if topic not in imaging)


def _loss(event: Event, told: _Told, reports: Mapping[str, list[Report]]) -> str | None:
    ending = told.ending(event)
    if ending in (NONE, WAITING):
        return "no ending" if ending == NONE else "only a transient dead letter"
    wanted, _, reason = event.expects.partition(":")
    if ending != wanted or (wanted == REFUSED and event.expects != REFUSED_ANY and reason not in told.reasons(event)):
        return f"ended as {ending} {' '.join(sorted(told.reasons(event)))}".strip() + f", not as {event.expects}"
    return _unreported(told.flag(event), reports) if wanted in (PUBLISHED, NOT_ASSESSABLE) else None


def _unreported(flag: Json | None, reports: Mapping[str, list[Report]]) -> str | None:
    """Why a flag alone is no ending."""
    assert flag is not None
    standing = [report for report in reports[flag["media"]] if report.effective]
    if not standing:
        return f"a flag, but no effective report on {flag['media']}"
    return None if flag["report"] in {report.id for report in standing} else f"a flag, but {flag['report']} does not stand"


def _judged(provenance: Provenance) -> Iterator[tuple[str, str]]:
    """Each report it speaks of, and the picture it says that came from."""
    pictures = [identifier for role, _, identifier in provenance.entities if role == "source" and identifier]
    if pictures:
        yield from ((target, pictures[0]) for target in provenance.targets if target.startswith("DiagnosticReport/"))


def _duplicated_reports(pictures: Mapping[str, str], reports: Mapping[str, list[Report]]) -> Iterator[str]:
    for media, each in reports.items():
        effective = [report.id for report in each if report.effective]
        yield from (f"{media}: {report} beside {effective[0]}" for report in effective[1:])
        if len(effective) < 2:
            counts = Counter(pictures[report.id] for report in each if report.id in pictures)
            yield from (f"{media}: {count} reports on one picture" for count in counts.values() for _ in range(count - 1))


def _duplicated_endings(manifest: Manifest, bus: Bus, told: _Told) -> Iterator[str]:
    for event in manifest.events:
        if event.id in told.flagged_events and told.reasons(event):
            yield f"{event.id}: a flag and a dead letter ({', '.join(sorted(told.reasons(event)))})"
    for (media, content), flags in told.flags.items():
        ids = {flag["id"] for flag in flags}
        yield from (f"{media}: {len(ids)} flags of different ids on {content[:12]}" for _ in range(len(ids) - 1))
    places = Counter((each["original"]["topic"], each["original"]["partition"], each["original"]["offset"]) for each in bus.letters)
    for (topic, partition, offset), count in places.items():
        yield from (f"{topic}[{partition}]@{offset}: {count} dead letters" for _ in range(count - 1))


def _swaps(manifest: Manifest, bus: Bus, reports: Mapping[str, list[Report]]) -> Iterator[str]:
    subjects = {event.media: event.subject for event in manifest.events if event.media is not None}
    for media, each in reports.items():
        yield from (
            f"{media}: {report.id} under {report.subject}" for report in each if report.effective and report.subject != subjects[media]
        )
    for flag in bus.flags:
        if flag["subject"] != subjects.get(flag["media"], flag["subject"]):
            yield f"{flag['media']}: flag {flag['id']} under {flag['subject']}"


def _out_of_order(manifest: Manifest, pictures: Mapping[str, str], reports: Mapping[str, list[Report]]) -> Iterator[str]:
    for media, contents in manifest.contents.items():
        if len(set(contents)) < 2:
            continue
        about = {pictures.get(report.id) for report in reports[media] if report.effective}
        if about - {contents[-1]}:
            yield f"{media}: the effective report is not about the last of its {len(contents)} pictures"


def _unexplained(record: Record, reports: Mapping[str, list[Report]]) -> Iterator[str]:
    linked = {pair for each in record.provenances for pair in _pairs(each)}
    for media, each in reports.items():
        ids = {report.id for report in each}
        for report in each:
            if not report.effective and not any((report.id, other) in linked for other in ids - {report.id}):
                yield f"{media}: {report.id} was withdrawn"


def _pairs(provenance: Provenance) -> Iterator[tuple[str, str]]:
    """Every target with every entity it came from, and the other way round."""
    for target in provenance.targets:
        for _, entity, _ in provenance.entities:
            yield target, entity
            yield entity, target


def _aborted(manifest: Manifest, bus: Bus) -> Iterator[str]:
    never = {value: json.loads(base64.b64decode(value))["id"] for value in manifest.aborted}
    for letter in bus.letters:
        if letter["original"]["value"] in never:
            yield f"{never[letter['original']['value']]}: a dead letter ({letter['reason']})"
    yield from (f"{flag['event']}: a flag" for flag in bus.flags if flag["event"] in never.values())


def _contradictions(bus: Bus, reports: Mapping[str, list[Report]]) -> Iterator[str]:
    last = {flag["report"]: flag.get("status") for flag in bus.flags}
    for media, each in reports.items():
        for report in each:
            told = last.get(report.id)
            if told is not None and told != report.status:
                yield f"{media}: {report.id} is {report.status}, its last flag says {told}"
