"""The worklist: what the topics of flags, verdicts and feedback say by now of each report. Ids, codes, times; nothing is asked of anybody.

A report is on the list by its newest flag. What became of it is told by whichever came last: a flag's status or a recorded verdict's. That
an EHR tells of an answered card reads no report. An unread report that asks a clinician to look (flagged, not assessable, or drawn by the
audit sample) leaves the list by a verdict alone, and never by its age; the one exception is a list that is full of them, which counts what
it had to leave out. Of what the sample draws nobody is alarmed, and no page says that it did.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

from tocsin.model_card import Band
from tocsin.report.flag import WITHDRAWN, Flag
from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.review.answered import NOTHING, Answered, CardAnswer, CardBook
from tocsin.review.feedback import Feedback
from tocsin.review.types import Act, Standing, State, Verdict

NOT_ASSESSABLE: Final = "not-assessable"
"""Stands for the band of a report whose picture could not be judged, which is no all-clear."""
OTHER: Final = "other"
"""Stands for the bands that this installation's model card does not know."""

WAITING_STATUSES: Final = frozenset({PRELIMINARY, "registered", "partial", "unknown"})
"""Statuses of a report on which no clinician has acted, as far as anybody knows (FHIR R4, diagnostic-report-status)."""

AFTER: Final[Mapping[Act, str]] = {
    Act.ACCEPT: "final",
    Act.OVERRIDE: "final",
    Act.CORRECT: "amended",
    Act.NOT_ASSESSABLE: "amended",
    Act.WITHDRAW: IN_ERROR,
    Act.UNDO: PRELIMINARY,
}
"""Act -> the status of the report once the act is recorded, where its standing states none."""

EVICTED_SHARE: Final = 20
"""One row of so many leaves a full list at a time, so that a full list is not sorted for each flag."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a clinician made of a report last, and whether the record has it."""

    verdict: str
    act: Act
    decided_at: datetime
    state: State = State.WAITING
    at: datetime | None = None
    """When the bus was told of the state."""


@dataclass(frozen=True, slots=True)
class Row:
    """One report of the list; times are aware."""

    report: str
    """DiagnosticReport/<id>."""
    subject: str
    """Patient/<id>."""
    media: str
    """Media/<id>."""
    site: str
    """URI of the installation that judged."""
    model_version: str
    band: str
    """Code of the model card's band, or NOT_ASSESSABLE."""
    flagged: bool
    """Whether the newest flag asks a clinician to look sooner."""
    status: str
    """FHIR diagnostic-report-status, as whoever spoke last said it."""
    status_at: datetime
    since: datetime
    """When the report was issued; where no flag says so, when it was first announced. Its age counts from here."""
    told_at: datetime
    """When the newest flag was announced."""
    answer: Answer | None = None
    sampled: bool = False
    """Whether the audit sample draws it: below threshold, and to be read all the same."""
    in_ehr: Answered = NOTHING
    """What EHRs tell of answers to its cards, none of which is a clinician's answer to the report."""

    @property
    def withdrawn(self) -> bool:
        """Whether the report no longer holds: it gave way to another or was entered in error."""
        return self.status in WITHDRAWN

    @property
    def unread(self) -> bool:
        """Whether no clinician has answered yet. An answer on its way to the record counts, one that the record refuses does not."""
        if self.status not in WAITING_STATUSES:
            return False
        on_its_way = self.answer is not None and self.answer.state is State.WAITING and self.answer.act is not Act.UNDO
        return not on_its_way

    @property
    def unsigned(self) -> CardAnswer | None:
        """The last answer to a card of an unread report on which no verdict was given since; None where there is none."""
        last, told_at = self.in_ehr.last, self.in_ehr.received_at
        signed = told_at is None or (self.answer is not None and told_at <= self.answer.decided_at)
        return last if self.unread and not signed else None

    @property
    def asks(self) -> bool:
        """Whether a clinician is asked to look: unread, and flagged, not assessable or sampled. It must not leave the list by itself."""
        return self.unread and (self.flagged or self.sampled or self.band == NOT_ASSESSABLE)

    @property
    def changed_at(self) -> datetime:
        """When the bus last spoke of the report."""
        spoken = [self.told_at, self.status_at]
        if self.answer is not None:
            spoken.append(self.answer.at or self.answer.decided_at)
        return max(spoken)


class Place(NamedTuple):
    """Where a row stands in the list: the highest band first, of one band the newest."""

    rank: int
    older: int
    """Microseconds before 1970; the newer the report, the smaller."""
    report: str


@dataclass(frozen=True, slots=True)
class Ranks:
    """The order of bands: flagged ones by how high they are, then what could not be judged or is sampled and unread, then the rest."""

    of_band: Mapping[str, int]
    middle: int
    """The rank of what could not be judged."""

    @classmethod
    def of(cls, bands: tuple[Band, ...]) -> Ranks:
        """The order of a model card's bands, which rise."""
        flagged = [band.code for band in reversed(bands) if band.flagged]
        others = [band.code for band in reversed(bands) if not band.flagged]
        ordered = [*flagged, NOT_ASSESSABLE, *others]
        return cls({code: rank for rank, code in enumerate(ordered)}, len(flagged))

    def rank(self, row: Row) -> int:
        """The smaller, the sooner it is to be looked at; an unknown band that is flagged stands with the highest."""
        if row.sampled and row.unread:
            return self.middle
        return self.of_band.get(row.band, 0 if row.flagged else self.middle + 1)

    def named(self, row: Row) -> str:
        """The row's band as a code of the card, NOT_ASSESSABLE or OTHER: a closed set."""
        return row.band if row.band in self.of_band else OTHER


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are wanted; None: any."""

    site: str | None = None
    band: str | None = None
    unread: bool | None = True
    """True: those that no clinician has answered; False: those that one has; None: both."""
    until: datetime | None = None
    """Only reports issued at this time or before (aware)."""
    unsigned: bool = False
    """Only unread reports whose card was answered in the EHR, and on which no verdict was given since."""

    def wants(self, row: Row, ranks: Ranks) -> bool:
        """Whether the row is wanted. A withdrawn report is shown with those that were answered."""
        if (self.unread is not None and row.unread is not self.unread) or (self.unsigned and row.unsigned is None):
            return False
        if self.site is not None and row.site != self.site:
            return False
        if self.band is not None and ranks.named(row) != self.band:
            return False
        return self.until is None or row.since <= self.until


@dataclass(slots=True)
class Total:
    """How many unread reports of one site and band there are."""

    unread: int = 0
    oldest: datetime | None = None
    """When the oldest of them was issued."""


def _nothing(_flag: Flag) -> bool:
    return False


@dataclass(slots=True)
class Worklist:
    """The list, and how it grows. Safe for threads; each call holds the others up for no longer than a look through the rows."""

    ranks: Ranks
    rows_max: int
    sampled: Callable[[Flag], bool] = _nothing
    """Whether the audit sample draws a report."""
    _rows: dict[str, Row] = field(default_factory=dict)
    _answers: dict[str, Answer] = field(default_factory=dict)
    """Of reports on the list and of others, whose flags may yet be read."""
    _cards: CardBook = field(init=False)
    """The same of what EHRs tell of cards; of no more reports than `rows_max`."""
    _order: list[Place] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    left_out: int = 0
    """Reports that ask a clinician to look and found no room."""

    def __post_init__(self) -> None:
        self._cards = CardBook(self.rows_max)

    def flag(self, flag: Flag) -> None:
        """Take in a flag; an older one than that which is known changes only since when the report has been there."""
        with self._lock:
            known = self._rows.get(flag.report)
            since = flag.issued or flag.announced_at
            if known is not None:
                since = min(known.since, since)
                if flag.announced_at < known.told_at:
                    self._put(replace(known, since=since))
                    return
            row = _row_of(flag, since, self.sampled(flag), self._cards.of(flag.report))
            if known is not None and known.status_at > row.status_at:
                row = replace(row, status=known.status, status_at=known.status_at)
            answer = self._answers.get(flag.report)
            self._put(row if answer is None else _with_answer(row, answer))
            if len(self._rows) > self.rows_max:
                self._evict()

    def verdict(self, verdict: Verdict) -> None:
        """Take in a verdict, which waits for the record until its standing says otherwise."""
        with self._lock:
            known = self._answers.get(verdict.report)
            if known is None or (known.verdict != verdict.id and known.decided_at <= verdict.decided_at):
                self._answer(verdict.report, Answer(verdict.id, verdict.act, verdict.decided_at))

    def standing(self, standing: Standing) -> None:
        """Take in what became of a verdict; of one that is not the report's last, nothing."""
        with self._lock:
            known = self._answers.get(standing.report)
            if known is None or known.verdict != standing.verdict or (known.at is not None and standing.at < known.at):
                return
            self._answer(standing.report, replace(known, state=standing.state, at=standing.at), standing.report_status)

    def feedback(self, feedback: Feedback) -> None:
        """Take in that a card was answered in the EHR: the report is as unread as before. Of a card of no known report, nothing."""
        if feedback.report is None:
            return
        with self._lock:
            self._show(self._cards.take(feedback.report, feedback))

    def in_ehr(self, report: str) -> Answered:
        """What EHRs tell of answers to the cards of this report."""
        with self._lock:
            return self._cards.of(report)

    def forget(self, before: datetime) -> None:
        """Drop what the bus last spoke of before this time (aware), but no report that still asks a clinician to look."""
        with self._lock:
            gone = [row for row in self._rows.values() if row.changed_at < before and not row.asks]
            for row in gone:
                self._drop(row)
            for report in [report for report, each in self._answers.items() if report not in self._rows and _last(each) < before]:
                del self._answers[report]
            self._show(self._cards.forget(before))

    def clear(self) -> None:
        """Forget everything: the topics are read from their beginning."""
        with self._lock:
            self._rows.clear()
            self._answers.clear()
            self._cards.clear()
            self._order.clear()
            self.left_out = 0

    def page(self, wanted: Wanted, after: Place | None, count: int) -> list[Row]:
        """The next `count` rows that are wanted, from behind `after` (None: from the first on)."""
        found: list[Row] = []
        with self._lock:
            at = 0 if after is None else bisect_right(self._order, after)
            while at < len(self._order) and len(found) < count:
                row = self._rows[self._order[at].report]
                if wanted.wants(row, self.ranks):
                    found.append(row)
                at += 1
        return found

    def place(self, row: Row) -> Place:
        """Where the row stands."""
        return Place(self.ranks.rank(row), -round(row.since.timestamp() * 1_000_000), row.report)

    def row(self, report: str) -> Row | None:
        """The report's row; None where it is not on the list."""
        with self._lock:
            return self._rows.get(report)

    def rows(self) -> list[Row]:
        """Every row, in the list's order."""
        with self._lock:
            return [self._rows[place.report] for place in self._order]

    def sites(self) -> list[str]:
        """The sites of which there are reports, sorted."""
        with self._lock:
            return sorted({row.site for row in self._rows.values()})

    def totals(self) -> dict[tuple[str, str], Total]:
        """Site and band (a code of the card, NOT_ASSESSABLE or OTHER) -> its unread reports, where there are any."""
        found: dict[tuple[str, str], Total] = {}
        for row in self._unread():
            total = found.setdefault((row.site, self.ranks.named(row)), Total())
            total.unread += 1
            total.oldest = row.since if total.oldest is None else min(total.oldest, row.since)
        return found

    def waiting(self) -> Counter[State]:
        """How many reports have an answer that is not in the record, by its state."""
        with self._lock:
            states = [row.answer.state for row in self._rows.values() if row.answer is not None]
        return Counter(state for state in states if state is not State.RECORDED)

    def __len__(self) -> int:
        return len(self._rows)

    def _unread(self) -> Iterator[Row]:
        with self._lock:
            found = [row for row in self._rows.values() if row.unread]
        return iter(found)

    def _answer(self, report: str, answer: Answer, status: str | None = None) -> None:
        self._answers[report] = answer
        row = self._rows.get(report)
        if row is not None:
            self._put(_with_answer(row, answer, status))

    def _show(self, reports: Iterable[str]) -> None:
        """Put what is held of cards into the rows of these reports."""
        for row in filter(None, map(self._rows.get, reports)):
            self._put(replace(row, in_ehr=self._cards.of(row.report)))

    def _put(self, row: Row) -> None:
        known = self._rows.get(row.report)
        before, after = None if known is None else self.place(known), self.place(row)
        self._rows[row.report] = row
        if before == after:
            return
        if before is not None:
            del self._order[bisect_left(self._order, before)]
        insort(self._order, after)

    def _drop(self, row: Row) -> None:
        del self._rows[row.report]
        del self._order[bisect_left(self._order, self.place(row))]
        self._answers.pop(row.report, None)
        self._cards.drop(row.report)

    def _evict(self) -> None:
        """Drop what matters least: what was answered, then what asks nobody, then the oldest of what does."""
        count = max(1, self.rows_max // EVICTED_SHARE)
        for row in sorted(self._rows.values(), key=lambda row: (row.asks, row.unread, row.changed_at))[:count]:
            self.left_out += row.asks
            self._drop(row)


def _row_of(flag: Flag, since: datetime, sampled: bool, in_ehr: Answered) -> Row:
    return Row(
        report=flag.report,
        subject=flag.subject,
        media=flag.media,
        site=flag.source,
        model_version=flag.model.version,
        band=flag.band or NOT_ASSESSABLE,
        flagged=flag.flagged,
        status=flag.status,
        status_at=flag.announced_at,
        since=since,
        told_at=flag.announced_at,
        sampled=sampled,
        in_ehr=in_ehr,
    )


def _with_answer(row: Row, answer: Answer, status: str | None = None) -> Row:
    """The row with the answer; it tells the report's status too where no flag told it later."""
    row, recorded = replace(row, answer=answer), answer.state is State.RECORDED
    told = status or (AFTER[answer.act] if recorded else None)
    if told is None or _last(answer) < row.status_at:
        return row
    return replace(row, status=told, status_at=_last(answer))


def _last(answer: Answer) -> datetime:
    return answer.at or answer.decided_at
