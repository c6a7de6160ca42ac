"""A month -> its report: what came in, how the alarms stood and what labels say so far, beside what cannot be shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from tocsin.learning.monthly.month import Month
from tocsin.learning.monthly.parts import MonthFound
from tocsin.learning.report import compose
from tocsin.learning.report import sentences as say
from tocsin.learning.report.as_json import dumped, plain
from tocsin.learning.report.numbers import MONTHS, count, counted, day, decimal, listed, percent
from tocsin.learning.report.types import Block, Facts, GoLive, Lines, Number, Paragraph, Section, Table
from tocsin.learning.watch.types import ALL, ANY, Look

VERSION: Final = 1
VERDICT: Final = (
    "Monitoring, and no validation for going live: of pictures as they came, by the labels that there are so far. `tocsin evaluate` "
    "makes the report that may carry a decision to go live."
)
LEFT_OUT: Final = frozenset({"What could not be shown yet", "Checklist", "What became of the pictures"})
"""Sections of an evaluation that say the same as this report's own, or that a validation alone answers."""
SIGNALS: Final = {
    "score-histogram": "Scores, by their histogram",
    "score-mean": "Scores, by their mean",
    "reasons": "Reasons why not assessable",
    "not-assessable": "Share not assessable",
    "device-mix": "Devices",
    "body-site-mix": "Body sites",
    "misses": "Cancers missed",
    "overrides": "Answers that disagree",
    "known-pictures": "Known pictures",
}
STATES: Final = {
    "alarm": "alarm",
    "quiet": "no alarm",
    "too-few": "cannot be said: too few",
    "unanswered": "cannot be said: not answered",
}
GROUPS: Final = {ALL: "all", ANY: "any group"}


def composed(found: MonthFound) -> GoLive:
    """The report of a month."""
    inner = compose.composed(found.evaluation)
    about = found.evaluation.about
    where = f" at {about.site}" if about.site else ""
    month = Month.of(found.month)
    return GoLive(
        title=f"Monitoring of {about.model}{where}: {MONTHS[month.number - 1]} {month.year}",
        subtitle=f"{about.title}. Made on {day(found.made_at.date())}; days are in UTC.",
        verdict=VERDICT,
        shown=False,
        answer=(_came_in(found), _alarms(found), _labels(found), say.sensitivity(found.evaluation)),
        numbers=tuple(_numbers(found)),
        sections=(
            Section("What cannot be shown", (Lines(tuple(cannot_be_shown(found))),)),
            Section("What came in", tuple(_volumes(found))),
            Section("How alarms stood", tuple(_looks(found))),
            Section("Answers of clinicians", tuple(_answers(found))),
            Section("Labels so far", tuple(_so_far(found))),
            *(
                replace(each, heading=f"{each.heading} (labels so far)" if each.heading != "How it was computed" else each.heading)
                for each in inner.sections
                if each.heading not in LEFT_OUT
            ),
        ),
        made_at=found.made_at,
        key=f"{found.month} {inner.key}",
    )


def as_json(found: MonthFound) -> bytes:
    """The month as UTF-8, with what cannot be shown in sentences; equal months are equal bytes."""
    said = {"tocsin_month": VERSION} | plain(found)
    return dumped(said | {"cannot_be_shown": list(cannot_be_shown(found))})


def cannot_be_shown(found: MonthFound) -> Iterator[str]:
    """What this report does not say, or not yet."""
    yield (
        "That the model may go live or stay in use: a month of monitoring is no validation. Labels go on coming for weeks, and come more "
        "often for flagged pictures."
    )
    month, oldest = Month.of(found.month), found.oldest_flag_at
    if oldest is None or oldest > month.start:
        since = "no flag of that time at all" if oldest is None else f"no flag from before {_moment(oldest)}"
        yield f"Pictures of the month's beginning, if there were any: the bus holds {since} (retention of the topic of flags)."
    if found.counted_from > month.start:
        yield (
            f"Labels of pictures that were judged before {_moment(found.counted_from)}: scores then had another scale, since a site file "
            "was promoted later, or counting was set to begin anew."
        )
    blind = [each for each in found.looks if each.state in ("too-few", "unanswered")]
    if blind:
        names = listed(sorted({SIGNALS[each.signal].lower() for each in blind}))
        yield f"Whether there is nothing to alarm of: {counted(len(blind), 'alarm', 'alarms')} could not be looked at ({names})."
    if not any(each.signal == "score-mean" for each in found.looks):
        yield "Whether what came in is what was evaluated: no baseline is set (TOCSIN_WATCH__BASELINE)."
    if not found.origins_known:
        yield "Devices and body sites: the record was not asked, or did not answer when this report was made."
    yield "Known pictures: their answers are in the metrics alone (tocsin_watch_looks_total)."
    yield from (each for each in say.open_points(found.evaluation))


def _came_in(found: MonthFound) -> str:
    volumes, refused = found.volumes, sum(found.volumes.not_assessable.values())
    return (
        f"{counted(volumes.pictures, 'picture', 'pictures')} of {counted(volumes.patients, 'patient', 'patients')} were judged: "
        f"{count(volumes.flagged)} flagged, {count(volumes.assessed - volumes.flagged)} not flagged, and {count(refused)} not assessable."
    )


def _alarms(found: MonthFound) -> str:
    loud = [each for each in found.looks if each.state == "alarm"]
    blind = sum(each.state in ("too-few", "unanswered") for each in found.looks)
    seen = len(found.looks) - blind
    if loud:
        return f"When the month ended there was an alarm: {listed(list(dict.fromkeys(SIGNALS[each.signal].lower() for each in loud)))}."
    if not seen:
        return f"When the month ended nothing could be said by any of {counted(blind, 'alarm', 'alarms')}, which is no all-clear."
    rest = f"; of {count(blind)} more nothing could be said" if blind else ""
    return f"When the month ended none of {counted(seen, 'alarm', 'alarms')} that could be looked at had sounded{rest}."


def _labels(found: MonthFound) -> str:
    flow, reference = found.evaluation.flow, found.evaluation.reference
    mature = f"; labels are mature to {day(reference.labelled_to)}" if reference.labelled_to else ""
    return (
        f"So far {counted(flow.labelled, 'assessable picture has', 'assessable pictures have')} a label that speaks of truth, "
        f"{count(reference.malignant)} of them malignant, and {count(flow.unlabelled)} have none, which is never benign{mature}."
    )


def _numbers(found: MonthFound) -> Iterator[Number]:
    volumes = found.volumes
    yield Number("Pictures judged", count(volumes.pictures), f"of {counted(volumes.patients, 'patient', 'patients')}")
    yield Number("Flagged", count(volumes.flagged), _of(volumes.flagged, volumes.assessed, "assessed"))
    refused = sum(volumes.not_assessable.values())
    yield Number("Not assessable", count(refused), _of(refused, volumes.pictures, "judged"))


def _of(some: int, of: int, what: str) -> str:
    return f"{percent(some / of)} of {count(of)} {what}" if of else f"none {what}"


def _volumes(found: MonthFound) -> Iterator[Block]:
    volumes = found.volumes
    rows = [
        ("Judged, by the report that was announced last", count(volumes.pictures)),
        ("Assessed", count(volumes.assessed)),
        *((f"— band {band}", count(number)) for band, number in volumes.bands.items()),
        ("Not assessable", count(sum(volumes.not_assessable.values()))),
        *((f"— {reason}", count(number)) for reason, number in volumes.not_assessable.items()),
        ("Report withdrawn, counted nowhere else", count(volumes.withdrawn)),
        *((f"Judged last by {version}, counted nowhere else", count(number)) for version, number in volumes.other_versions.items()),
    ]
    yield Table("Pictures judged in the month", ("", "Pictures"), tuple(rows), (0.75, 0.25))
    yield Facts((("Announcements of these reports, repeats included", count(volumes.announcements)),))


def _looks(found: MonthFound) -> Iterator[Block]:
    yield Paragraph(
        "As they stood when the month ended, by what the bus holds of that time. Each alarm's rate of false ones is stated in the settings "
        "TOCSIN_WATCH__FALSE_ALARM_DAYS and TOCSIN_WATCH__FALSE_ALARM_CHANCE. What could not be said is no all-clear."
    )
    yield Table(
        "Signals",
        ("Signal", "Group", "State", "Rests on", "In units of its limit"),
        tuple(_look(each) for each in found.looks),
        (0.3, 0.22, 0.24, 0.1, 0.14),
    )


def _look(look: Look) -> tuple[str, ...]:
    figure = "" if look.figure is None else decimal(look.figure)
    group = GROUPS.get(look.group, look.group.replace("body-site:", "body site "))
    return SIGNALS[look.signal], group, STATES[look.state], count(look.of), figure


def _answers(found: MonthFound) -> Iterator[Block]:
    answers = found.answers
    yield Paragraph(
        f"Of the month's reports, {count(answers.reports)} have an answer so far. An answer is a clinician's word on a flag they saw: "
        "agreement, and no truth."
    )
    if answers.acts:
        rows = tuple((act, count(number)) for act, number in answers.acts.items())
        yield Table("Acts on them", ("Act", "Times"), rows, (0.75, 0.25))


def _so_far(found: MonthFound) -> Iterator[Block]:
    yield Paragraph(
        f"{_labels(found)} The sections below are made as those of `tocsin evaluate` are, of these labels alone; where only flagged "
        "lesions are biopsied, sensitivity is an upper bound."
    )


def _moment(when: datetime) -> str:
    return f"{day(when.date())}, {when:%H:%M} UTC"
