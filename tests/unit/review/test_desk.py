"""The desk: the act is on the bus before the record is touched, its flag before its standing, and a retry follows whoever died between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import orjson
import pytest
from tocsin.errors import Unavailable
from tocsin.report.flag import Flag
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.mark import as_written
from tocsin.review.desk import KEPT_MAX, Desk, Settler
from tocsin.review.ledger import Entry, entries
from tocsin.review.retry import Retry
from tocsin.review.rules import Bar
from tocsin.review.types import Act, Standing, State, Verdict
from tocsin.settings import VerdictSettings
from tocsin.telemetry import instruments

from tests.builders import card
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.fakes.stages import FakeFlags
from tests.fakes.verdicts import FakeVerdicts
from tests.support.records import report
from tests.support.reviewing import DECIDED, NOW, verdict

TOPIC = "verdicts"
MADE = report("x")
SETTINGS = VerdictSettings()


class Breaking(FakeFlags):
    """Flags that do not reach the bus while told so."""

    away = False

    def announce(self, flag: Flag, site_file: str | None) -> None:
        if self.away:
            raise Unavailable("kafka", "KafkaTimeoutError")
        super().announce(flag, site_file)


@dataclass
class Office:
    """A desk over a record and a bus in memory."""

    bus: FakeBus = field(default_factory=FakeBus)
    record: FakeVerdicts = field(default_factory=lambda: FakeVerdicts(reports={MADE.reference: as_written(MADE)}))
    flags: Breaking = field(default_factory=Breaking)

    def __post_init__(self) -> None:
        self.bus.now_ms = int(DECIDED.timestamp() * 1000)
        self.settler = Settler(self.record, self.flags, FakeSink(self.bus), TOPIC, Issuer(card(), "urn:tocsin:test"), lambda: NOW)
        self.desk = Desk(self.settler)

    def retry(self, now_s: float = 100, **changes: float) -> int:
        settings = VerdictSettings.model_validate(changes)
        return Retry(FakeTopicReader(self.bus), TOPIC, self.settler, "urn:tocsin:test", settings).run(DECIDED + timedelta(seconds=now_s))

    def said(self) -> list[str]:
        """The kind of each record on the topic, and the state of each standing."""
        values = [orjson.loads(each.value or b"") for each in self.bus.records(TOPIC)]
        return [each["state"] if each["kind"] == "standing" else each["kind"] for each in values]

    def ledger(self) -> list[Entry]:
        return entries(FakeTopicReader(self.bus), TOPIC)


@pytest.fixture
def office() -> Office:
    return Office()


def on(act: Act = Act.ACCEPT, **changes: object) -> Verdict:
    own = {"report": MADE.reference, "media": MADE.media, "subject": MADE.subject}
    return verdict(act, **(own | changes))


def test_the_act_is_on_the_bus_before_the_record_is_touched_and_then_what_became_of_it(office: Office) -> None:
    assert office.desk.submit(on()).state is State.RECORDED
    assert office.said() == ["verdict", "recorded"]
    assert {each.key for each in office.bus.records(TOPIC)} == {MADE.reference.encode()}


def test_where_the_bus_is_away_nothing_happens(office: Office) -> None:
    office.bus.away = True
    with pytest.raises(Unavailable):
        office.desk.submit(on())
    assert (office.record.applied, office.flags.announced) == ({}, [])


def test_the_flag_tells_the_new_status_before_the_standing_is_said(office: Office) -> None:
    decided = on(Act.WITHDRAW)
    office.desk.submit(decided)
    [flag] = office.flags.announced
    assert (flag.status, flag.flagged, flag.report, flag.event) == ("entered-in-error", False, MADE.reference, decided.id)


def test_the_same_verdict_again_is_the_same_act_and_another_under_its_id_is_refused(office: Office) -> None:
    decided = on()
    first, again = office.desk.submit(decided), office.desk.submit(decided)
    assert (first, office.said()) == (again, ["verdict", "recorded"])
    other = office.desk.submit(on(Act.WITHDRAW, id=decided.id))
    assert (other.state, other.reason) == (State.REFUSED, Bar.ID_TAKEN)
    assert office.said() == ["verdict", "recorded"]
    assert Office(office.bus, office.record).desk.submit(decided).state is State.RECORDED  # another process, which knows nothing of it
    assert list(office.record.applied) == [decided.id]


def test_a_verdict_that_the_record_did_not_take_waits_and_is_recorded_by_the_retry(office: Office) -> None:
    office.record.record_is_away = True
    decided = on()
    assert office.desk.submit(decided).state is State.WAITING
    assert office.retry() == 0
    assert office.said() == ["verdict", "waiting"]  # what the bus knows is not said again
    office.record.record_is_away = False
    assert office.retry() == 1
    assert office.said() == ["verdict", "waiting", "recorded"]
    assert office.retry() == 0
    assert [each.status for each in office.flags.announced] == ["final"]


def test_a_desk_that_died_after_the_act_is_followed_once_its_grace_is_over(office: Office) -> None:
    office.desk._take(on())
    assert (office.retry(now_s=SETTINGS.grace_s - 1), office.retry(now_s=SETTINGS.grace_s)) == (0, 1)
    assert office.said() == ["verdict", "recorded"]


def test_a_desk_that_died_between_record_and_flag_or_bus_is_followed_and_nothing_is_recorded_twice(office: Office) -> None:
    decided = on()
    office.flags.away = True
    assert office.desk.submit(decided).state is State.RECORDED
    assert (office.said(), office.flags.announced) == (["verdict"], [])
    office.flags.away = False
    assert office.retry() == 1
    assert (office.said(), [each.status for each in office.flags.announced]) == (["verdict", "recorded"], ["final"])
    assert office.record.versions[MADE.reference] == 1


def test_of_a_report_that_names_the_verdicts_picture_no_more_no_flag_is_told_and_the_verdict_has_its_ending(office: Office) -> None:
    office.flags.away = True
    office.desk.submit(on())
    office.flags.away = False
    office.record.reports[MADE.reference] = replace(office.record.reports[MADE.reference], media="")
    assert office.retry() == 1
    assert (office.said(), office.flags.announced) == (["verdict", "recorded"], [])


def test_a_verdict_at_which_tocsin_itself_fails_keeps_no_other_from_its_turn_and_is_not_passed_over_in_silence(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = verdict(report="DiagnosticReport/r0", decided_at=DECIDED - timedelta(seconds=9))
    for each in (poison, on()):
        office.desk._take(each)
    sound = office.record.apply

    def apply(asked: Verdict) -> Standing:
        if asked.id == poison.id:
            raise KeyError("a defect")
        return sound(asked)

    monkeypatch.setattr(office.record, "apply", apply)
    with pytest.raises(KeyError):
        office.retry()
    assert [each.state for each in office.ledger()] == [State.WAITING, State.RECORDED]


def test_verdicts_on_one_report_are_settled_in_order_and_the_later_waits_for_the_earlier(office: Office) -> None:
    office.record.record_is_away = True
    first = on()
    second = on(Act.WITHDRAW, report_version="2", decided_at=DECIDED + timedelta(seconds=1))
    elsewhere = verdict(report="DiagnosticReport/r2")
    for each in (first, second, elsewhere):
        office.desk.submit(each)
    office.record.record_is_away = False
    assert office.retry(retry_batch_max=1) == 1
    assert list(office.record.applied) == [first.id] or list(office.record.applied) == [elsewhere.id]
    assert office.retry() == 2
    assert [each.state for each in office.ledger()] == [State.RECORDED] * 3
    assert [each for each in office.record.applied if each != elsewhere.id] == [first.id, second.id]


def test_a_transaction_that_the_server_refuses_is_kept_and_tried_again_but_seldom(office: Office) -> None:
    office.record.record_refuses = True
    decided = on()
    assert office.desk.submit(decided).state is State.REFUSED
    assert office.retry(now_s=100) == 0
    assert office.said() == ["verdict", "refused"]
    office.record.record_refuses = False
    assert office.retry(now_s=SETTINGS.refused_retry_s + 10) == 1
    assert office.said() == ["verdict", "refused", "recorded"]


def test_what_the_server_refuses_keeps_no_later_act_on_the_report_waiting(office: Office) -> None:
    office.record.record_refuses = True
    office.desk.submit(on())
    office.record.record_refuses, office.record.record_is_away = False, True
    withdrawn = on(Act.WITHDRAW, decided_at=DECIDED + timedelta(seconds=1))
    office.desk.submit(withdrawn)
    office.record.record_is_away = False
    assert (office.retry(now_s=100), list(office.record.applied)) == (1, [withdrawn.id])


def test_an_act_waits_for_an_earlier_one_on_its_report_that_somebody_may_be_at(office: Office) -> None:
    first = on(decided_at=DECIDED + timedelta(seconds=30))
    office.desk._take(first)
    office.record.record_is_away = True
    office.desk.submit(on(Act.WITHDRAW))
    office.record.record_is_away = False
    assert office.retry(now_s=31) == 0
    assert office.retry(now_s=31 + SETTINGS.grace_s) == 2
    assert next(iter(office.record.applied)) == first.id


def test_a_verdict_that_is_sent_again_while_it_waits_stands_on_the_bus_once(office: Office) -> None:
    office.record.record_is_away = True
    decided = on()
    assert [office.desk.submit(decided).state for _ in range(2)] == [State.WAITING] * 2
    assert office.said() == ["verdict", "waiting"]


def test_what_the_rules_refuse_is_not_tried_again(office: Office) -> None:
    assert office.desk.submit(on(Act.OVERRIDE, code="no-such-code")).state is State.REFUSED
    assert (office.retry(now_s=SETTINGS.refused_retry_s * 2), office.ledger()[0].is_open) == (0, False)


def test_another_installations_verdicts_are_left_to_it(office: Office) -> None:
    office.desk._take(on(source="urn:elsewhere"))
    assert (office.retry(), office.said()) == (0, ["verdict"])


def test_what_a_desk_takes_is_its_installations(office: Office) -> None:
    office.record.record_is_away = True
    office.desk.submit(on(source="urn:elsewhere"))
    office.record.record_is_away = False
    assert office.retry() == 1


def test_of_a_hundred_readers_at_once_no_act_is_lost_or_doubled(office: Office) -> None:
    """Five on each of twenty reports, each of whom sends twice, and who decide again where another was first."""

    def read(number: int) -> list[Verdict]:
        report, done = f"DiagnosticReport/r{number % 20}", list[Verdict]()
        for _ in range(10):
            version = office.record.version(report)
            decided = verdict(report=report, report_version=version, clinician=f"Practitioner/d{number}")
            done.append(decided)
            standings = {office.desk.submit(decided).state for _ in range(2)}
            if State.RECORDED in standings:
                return done
        return done

    with ThreadPoolExecutor(100) as threads:
        submitted = [each for done in threads.map(read, range(100)) for each in done]
    ledger = {each.verdict.id: each.state for each in office.ledger()}
    assert set(ledger) == {each.id for each in submitted}
    assert {each for each, state in ledger.items() if state is State.RECORDED} == set(office.record.applied)
    assert len(office.record.applied) == sum(office.record.versions.values()) == 100
    assert set(ledger.values()) <= {State.RECORDED, State.OVERTAKEN}


def test_of_one_act_that_stands_twice_on_the_bus_the_first_holds(office: Office) -> None:
    decided = on()
    office.desk._take(decided)
    office.desk._take(decided)
    for value in (b'{"kind":"later","version":1}', b'{"version":1}'):  # of a later version, and of no kind
        office.bus.append(TOPIC, b"x", value)
    assert [each.verdict for each in office.ledger()] == [decided]
    assert office.retry() == 1
    assert list(office.record.applied) == [decided.id]


def test_open_verdicts_are_counted_by_how_they_stand_with_the_age_of_the_oldest(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[tuple[str, float, str]]()
    monkeypatch.setattr(instruments, "_elsewhere", lambda name, value, labels: seen.append((name, value, labels.get("state", ""))))
    monkeypatch.setattr(instruments, "_ways", {})
    office.record.record_is_away = True
    office.desk.submit(on())
    seen.clear()
    office.retry(now_s=SETTINGS.overdue_after_s + 1)
    assert ("tocsin.verdicts.open", 1, "overdue") in seen
    assert ("tocsin.verdict.waited", SETTINGS.overdue_after_s + 1, "") in seen


def test_the_desk_remembers_no_more_than_it_may(office: Office) -> None:
    for number in range(KEPT_MAX + 5):
        office.desk._keep(verdict(report=f"DiagnosticReport/r{number}"), None)
    assert len(office.desk._kept) == KEPT_MAX
