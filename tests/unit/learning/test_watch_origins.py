"""Devices and body sites: asked of the record for a bounded number of pictures, and unknown wherever it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from tocsin.errors import Unavailable
from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import ServiceBase
from tocsin.image.device import FORM, device_of
from tocsin.learning.types import Scored
from tocsin.learning.watch.inputs import Baseline, Rules, baseline_of, compared
from tocsin.learning.watch.origins import ELSEWHERE, Columns, Origin, looks, sample, thinned
from tocsin.learning.watch.performance import Case, Sites
from tocsin.learning.watch.performance import looks as by_evidence
from tocsin.learning.watch.record import FhirRecord
from tocsin.learning.watch.types import ALL, ANY, Look
from tocsin.learning.watch.watcher import Watcher
from tocsin.settings import WatchSettings

from tests.fakes.bus import FakeTopicReader
from tests.fakes.origins import NOWHERE, FakeOrigins
from tests.support.stored import searchset
from tests.unit.learning.test_labels_bus import CARD
from tests.unit.learning.test_watcher import SOURCE, TOPICS, Desk

REGIONS = CARD.facts.sites[:-1]
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
BASE = ServiceBase(("https://fhir.example.org/r4",))


def told(device: str, site: str, number: int) -> Scored:
    groups = {name: word for name, word in (("device", device), ("body site", site)) if word}
    return Scored(f"Media/b{number}", number / 1000, groups=groups)


def before(*rows: Scored) -> Baseline:
    found = baseline_of(rows, lambda each: each, (), REGIONS)
    assert found is not None
    return found


USUAL = before(*(told("Device/a" if number % 4 else "Device/b", REGIONS[number % 4], number) for number in range(400)))


class Ward(Desk):
    """A desk that asks a record."""

    def __init__(self, baseline: Baseline | None = USUAL, record: FakeOrigins | None = None, **changes: Any) -> None:
        super().__init__(baseline, **changes)
        self.record = record or FakeOrigins()
        self.watcher = Watcher(FakeTopicReader(self.bus), TOPICS, SOURCE, CARD, WatchSettings(**changes), baseline, self.record)

    def week(self, pictures: int = 140) -> None:
        """So many pictures in the last whole week, from where the baseline's come."""
        [first] = [day for day in (MONDAY.date() - timedelta(days=each) for each in range(7, 15)) if day.toordinal() % 7 == 0]
        for number in range(pictures):
            at = datetime(first.year, first.month, first.day, 9, tzinfo=UTC) + timedelta(days=number % 7)
            flag = self.judged(number, at=at, probability=number % 400 / 1000)
            self.record.known[flag.media] = Origin("Device/a" if number % 4 else "Device/b", REGIONS[number // 7 % 4])


def test_a_week_from_the_same_devices_and_sites_is_quiet() -> None:
    ward = Ward()
    ward.week()
    found = ward.look(MONDAY)
    assert [(found[signal, ALL].state, found[signal, ALL].of) for signal in ("device-mix", "body-site-mix")] == [("quiet", 140)] * 2


@pytest.mark.parametrize(
    ("signal", "elsewhere"),
    [
        ("device-mix", Origin("Device/new", "")),
        ("device-mix", Origin("", "")),
        ("body-site-mix", Origin("", "trunk")),
        ("body-site-mix", Origin("", ELSEWHERE)),
    ],
)
def test_a_new_device_or_another_mix_of_body_sites_is_an_alarm_of_its_own(signal: str, elsewhere: Origin) -> None:
    ward = Ward()
    ward.week()
    for media, usual in ward.record.known.items():
        if signal == "device-mix":
            ward.record.known[media] = Origin(elsewhere.device, usual.region)
        else:
            ward.record.known[media] = Origin(usual.device, elsewhere.region)
    found = ward.look(MONDAY)
    alarms = {name for (name, _), each in found.items() if each.state == "alarm" and name.endswith("mix")}
    assert alarms == {signal}


def test_a_record_that_is_away_is_unanswered_and_neither_quiet_nor_an_alarm_and_the_rest_is_looked_at() -> None:
    ward = Ward()
    ward.week()
    ward.record.away = True
    found = ward.look(MONDAY)
    blind = {key for key, each in found.items() if each.state == "unanswered"}
    sites = {(signal, f"body-site:{region}") for signal in ("misses", "overrides") for region in (*REGIONS, ELSEWHERE)}
    assert blind == {("device-mix", ALL), ("body-site-mix", ALL), ("misses", ANY), ("overrides", ANY), *sites}
    assert found["score-histogram", ALL].of == 140


def test_missed_cancers_alarm_although_the_record_is_away() -> None:
    ward = Ward()
    for number in range(8):
        ward.judged(number, "below-threshold")
        ward.cancer(number)
    ward.record.away = True
    found = ward.look()
    assert (found["misses", ANY].state, found["misses", ALL].state) == ("alarm", "alarm")


def test_pictures_that_the_record_hardly_shows_any_more_stand_for_none_of_the_others() -> None:
    ward = Ward()
    ward.week()
    ward.record.lost = frozenset(sorted(ward.record.known)[:80])
    assert ward.look(MONDAY)["device-mix", ALL].state == "unanswered"
    ward.record.lost = frozenset(sorted(ward.record.known)[:40])
    assert ward.look(MONDAY)["device-mix", ALL].of == 100


def test_a_look_asks_for_no_more_than_is_allowed_and_the_next_one_for_the_same() -> None:
    ward = Ward(record_pictures_max=30)
    ward.week()
    assert ward.look(MONDAY) == ward.look(MONDAY)
    first, second = ward.record.asked
    assert (len(first), first) == (30, second)


@pytest.mark.parametrize("allowed", [False, True])
def test_nobody_is_asked_where_it_is_not_allowed_or_nothing_is_to_be_known(allowed: bool) -> None:
    ward = Ward(None if allowed else USUAL, record_pictures_max=30 if allowed else 0)
    ward.week()
    ward.look(MONDAY)
    assert ward.record.asked == []


def test_a_cancer_is_counted_by_its_body_site_and_one_of_which_nothing_is_known_by_that() -> None:
    ward = Ward(None, FakeOrigins(NOWHERE))
    for number in range(3):
        ward.judged(number, "below-threshold")
        ward.cancer(number)
    ward.record.known["Media/m0"] = Origin("", "arm")
    found = ward.look()
    counted = {group.removeprefix("body-site:"): each.of for (signal, group), each in found.items() if signal == "misses" and each.of}
    assert counted == {ANY: 3, ALL: 3, "mel": 3, "arm": 1, ELSEWHERE: 2}


def state(found: list[Look]) -> dict[str, str]:
    return {each.group: each.state for each in found}


def test_a_body_site_where_cancers_are_missed_is_named_and_the_others_are_not() -> None:
    cases = [Case(MONDAY, "mel", number % 10 == 0, f"Media/{number}") for number in range(100)]
    sites = {each.media: "trunk" if each.failed else REGIONS[number % 3] for number, each in enumerate(cases)}
    found = state(by_evidence("misses", cases, ["mel", "other"], 0.05, 0.05, Sites((*REGIONS, ELSEWHERE), sites)))
    assert (found["body-site:trunk"], found[ANY]) == ("alarm", "alarm")
    assert {found[f"body-site:{each}"] for each in REGIONS if each != "trunk"} == {"quiet"}


def test_all_groups_together_alarm_falsely_no_more_often_than_is_stated() -> None:
    chance, wrong = np.random.default_rng(15), 0
    for _ in range(40):
        cases = [Case(MONDAY, str(chance.choice(["mel", "bcc"])), bool(chance.random() < 0.05), f"Media/{each}") for each in range(150)]
        sites = Sites(REGIONS, {each.media: str(chance.choice(REGIONS)) for each in cases})
        wrong += "alarm" in state(by_evidence("misses", cases, ["mel", "bcc"], 0.05, 0.05, sites)).values()
    assert wrong <= 4  # the alarms of any group and of a name may have 0.05 each


def test_a_mix_alarms_falsely_about_as_often_as_is_stated() -> None:
    rules, chance = Rules(28, 7, 20, 365.0), np.random.default_rng(3)
    bins = USUAL.mixes["body-site-mix"]

    def alarms() -> bool:
        came = [Origin("Device/a", str(chance.choice(REGIONS))) for _ in range(100)]
        [found] = looks(came, 100, {"body-site-mix": bins}, lambda signal, one, other: compared(signal, one, other, rules))
        return found.state == "alarm"

    assert sum(alarms() for _ in range(50)) <= 4  # one is expected


@pytest.mark.parametrize("words", [("D200", "back"), ("", "")])
def test_a_baseline_in_other_words_than_the_records_or_in_none_is_compared_with_nothing(words: tuple[str, str]) -> None:
    assert before(*(told(*words, number) for number in range(200))).mixes == {}


def test_a_baseline_with_some_words_of_the_records_and_some_of_a_list_is_compared_with_nothing() -> None:
    words = ["trunk", "upper_extremity", "foot"]  # the first is a region, too
    assert before(*(told("", words[number % 3], number) for number in range(300))).mixes == {}


def test_devices_beyond_the_first_twenty_share_a_bin_and_what_is_not_stated_has_its_own() -> None:
    columns = Columns()
    for number in range(25):
        for _ in range(30 - number):
            columns.take(told(f"Device/{number}", "", number))
    columns.take(told("", "", 0))
    mix = columns.mixes(REGIONS)["device-mix"]
    assert (len(mix.bins), mix.bins["other"], mix.bins["not-stated"]) == (22, 10 + 9 + 8 + 7 + 6, 1)
    assert mix.of(["Device/0", "Device/24", "Device/x", "not-stated"])[1][-2:] == [2, 1]


def test_a_longer_series_draws_again_what_a_shorter_one_drew_and_ever_fewer_of_what_came_later() -> None:
    media = [f"Media/{number}" for number in range(20_000)]
    shorter, whole = thinned(media[:2_000], 100), thinned(media, 100)
    assert whole[: len(shorter)] == shorter
    assert whole[:100] == media[:100]
    assert len(whole) == pytest.approx(100 * (1 + np.log(200)), rel=0.1)
    assert set(sample(media, 50)) == set(sample(reversed(media), 50))


@pytest.mark.parametrize(
    ("media", "device"),
    [
        ({"device": {"reference": "Device/d1"}}, "Device/d1"),
        ({"device": {"reference": "https://fhir.example.org/r4/DeviceMetric/m1/_history/2"}}, "DeviceMetric/m1"),
        ({"device": {"reference": "Patient/p1"}}, "device-"),
        ({"device": {"identifier": {"system": "urn:x", "value": "A 1"}}}, "device-"),
        ({"deviceName": "Dr. Quintessa's camera"}, "device-"),
        ({}, ""),
        ({"device": "x", "deviceName": 3}, ""),
    ],
)
def test_a_device_is_a_reference_or_a_hash_and_never_words(media: Json, device: str) -> None:
    found = device_of(media, BASE)
    assert found.startswith(device)
    assert not found or FORM.fullmatch(found)
    assert "Quintessa" not in found


class Server:
    """A FHIR server that finds Media by _id; its clock goes on by `slow_s` with each search."""

    service_base = BASE
    base_url = "https://fhir.example.org/r4"

    def __init__(self, media: Mapping[str, Json], slow_s: float = 0.0) -> None:
        self.media, self.slow_s, self.now_s, self.asked = media, slow_s, 0.0, list[list[str]]()

    def search(self, path: str) -> Json:
        ids = parse_qs(path.partition("?")[2])["_id"][0].split(",")
        self.asked.append(ids)
        self.now_s += self.slow_s
        return searchset([self.media[each] for each in ids if each in self.media])


def media(name: str, **changes: Any) -> Json:
    site = {"coding": [{"system": "http://snomed.info/sct", "code": CARD.facts.site_codes["trunk"][0]}]}
    whole = {"resourceType": "Media", "id": name, "status": "completed", "subject": {"reference": f"Patient/{name}"}, "bodySite": site}
    return whole | changes


def test_media_are_found_by_their_ids_fifty_at_a_time_and_only_as_pictures_of_the_patient_that_is_named() -> None:
    server = Server(
        {f"m{number}": media(f"m{number}") for number in range(118)}
        | {"m118": media("m118", subject={"reference": "Patient/other"}), "m119": media("m119", status="entered-in-error")}
    )
    record = FhirRecord(server, CARD.facts, 60, lambda: server.now_s)  # type: ignore[arg-type] # as much of a client as is used
    found = record.origins({f"Media/m{number}": f"Patient/m{number}" for number in range(121)})
    assert [len(each) for each in server.asked] == [50, 50, 21]
    assert set(found) == {f"Media/m{number}" for number in range(118)}
    assert set(found.values()) == {Origin("", "trunk")}


def test_searches_that_take_too_long_are_given_up_and_said() -> None:
    server = Server({f"m{number}": media(f"m{number}") for number in range(200)}, slow_s=40)
    record = FhirRecord(server, CARD.facts, 60, lambda: server.now_s)  # type: ignore[arg-type] # as much of a client as is used
    with pytest.raises(Unavailable, match="RECORD_WITHIN_S"):
        record.origins({f"Media/m{number}": f"Patient/m{number}" for number in range(200)})
    assert len(server.asked) == 2


def test_the_week_is_the_one_of_the_histograms() -> None:
    ward = Ward()
    ward.judged(1, at=MONDAY - timedelta(hours=1))
    ward.look(MONDAY)
    assert ward.record.asked == []
    assert date.fromordinal(MONDAY.toordinal() // 7 * 7).weekday() == 6
