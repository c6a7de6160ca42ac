"""What every archive keeps, the fake and a real FHIR server alike: whoever reads on from page to page misses no picture."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tocsin.archive.types import Candidate
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import BackfillSettings

from tests.support.archives import FhirStore, Store, names, of, pages


def test_page_after_page_gives_every_picture_once_and_the_one_changed_first_first(store: Store) -> None:
    written = [reference for number in range(23) for reference in store.put(f"{number:02}")]
    read = list(pages(store, of(store), 5))
    assert [name for page in read for name in names(page.candidates)] == written
    assert [len(page.candidates) for page in read] == [5, 5, 5, 5, 3]


def test_pictures_that_one_import_wrote_at_one_time_are_all_read_however_small_the_page(store: Store) -> None:
    before, together, after = store.put("before"), store.put(*map(str, range(60))), store.put("after")
    read = list(pages(store, of(store), 10))
    assert Counter(name for page in read for name in names(page.candidates)) == Counter([*before, *together, *after])
    assert max(len(page.candidates) for page in read) <= 10


def test_a_picture_changed_while_pages_are_read_is_read_as_it_became_and_no_other_is_missed(store: Store) -> None:
    written = [reference for number in range(12) for reference in store.put(f"{number:02}")]
    read: list[Candidate] = []
    for number, page in enumerate(pages(store, of(store), 4)):
        read += page.candidates
        if number == 0:
            store.put("01", "06")
    assert set(names(read)) == set(written)
    assert Counter(names(read))[written[6]] == 1
    assert {each.version for each in read if each.media == written[1]} == {"1", "2"}
    assert {each.version for each in read if each.media == written[6]} == {"2"}


def test_a_picture_changed_within_a_large_import_hides_none_of_it(store: Store) -> None:
    together = store.put(*(f"{number:02}" for number in range(60)))
    first = store.archive.media(of(store), None, 5)
    assert first.cursor is not None
    assert first.cursor.after is not None
    store.put(first.cursor.after.rpartition("-")[2])
    rest = [name for page in pages(store, of(store), 5, first.cursor) for name in names(page.candidates)]
    assert {*names(first.candidates), *rest} == set(together)


def test_what_may_not_be_announced_is_counted_with_its_reason(store: Store) -> None:
    good = store.put("good")
    store.put("planned", status="preparation")
    store.put("nobody", subject=None)
    page = store.archive.media(of(store), None, 10)
    assert (names(page.candidates), page.skipped) == (good, {"not-completed": 1, "no-local-patient": 1})


def test_only_the_wanted_modality_is_found_and_a_missing_one_where_it_is_wanted_too(store: Store) -> None:
    dermoscopy, missing = store.put("dms"), store.put("none", modality=None)
    store.put("xray", modality="DX")
    token = f"{DICOM_MODALITY}|DMS"
    assert names(store.archive.media(of(store, modality=(token,)), None, 10).candidates) == dermoscopy
    assert names(store.archive.media(of(store, modality=(token, "absent")), None, 10).candidates) == [*dermoscopy, *missing]
    assert store.archive.count(of(store, modality=(token,))) == 1
    assert store.archive.count(of(store, modality=(token, "absent"))) == 3
    assert store.archive.count(of(store)) == 3


def test_what_a_picture_is_may_stand_in_its_modality_or_its_type_or_both_and_it_is_found_once(store: Store) -> None:
    token = f"{DICOM_MODALITY}|DMS"
    changes: list[dict[str, Any]] = [{}, {"modality": None, "type": "DMS"}, {"type": "DMS"}, {"modality": "XC", "type": "DMS"}]
    written = [store.put(str(number), **each)[0] for number, each in enumerate(changes)]
    store.put("other", modality="DX", type="DX")
    together = store.put("a", "b", "c", modality="DMS", type="DMS") + store.put("d", "e", modality=None, type="DMS")
    query = of(store, modality=(token,))
    assert store.archive.count(query) == len(written) + len(together)
    for count in (1, 2, 3, 100):
        found = [name for page in pages(store, query, count) for name in names(page.candidates)]
        assert found[:4] == written
        assert sorted(found[4:]) == sorted(together)
    since = store.archive.media(query, None, 1).candidates[0].updated
    assert sorted(names(list(store.archive.changed(query, since, since + timedelta(hours=1))))) == sorted(written + together)


def test_both_days_of_creation_are_included(store: Store) -> None:
    references = {day: store.put(f"day-{day}", created=date(2026, 3, day))[0] for day in (1, 2, 3, 4)}
    found = store.archive.media(of(store, created_from=date(2026, 3, 2), created_to=date(2026, 3, 3)), None, 10)
    assert names(found.candidates) == [references[2], references[3]]
    assert found.candidates[0].occurred_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_pictures_changed_between_two_times_are_found(store: Store) -> None:
    written = [reference for number in range(9) for reference in store.put(str(number))]
    store.put("planned", status="preparation")
    all_of_them = store.archive.media(of(store), None, 20).candidates
    since, until = all_of_them[2].updated, all_of_them[6].updated
    assert names(list(store.archive.changed(of(store), since, until))) == written[2:7]


def test_pictures_are_found_by_name_where_they_exist_and_may_be_announced(store: Store) -> None:
    good = store.put(*map(str, range(120)))
    store.put("withdrawn", status="entered-in-error")
    assert set(names(store.archive.named([*good, f"Media/{store.mark}-withdrawn", "Media/none"]))) == set(good)
    assert store.archive.named([]) == []


@pytest.mark.parametrize(
    "status", ["preparation", "in-progress", "on-hold", "stopped", "completed", "unknown", "not-done", "entered-in-error"]
)
def test_pictures_of_whatever_status_the_journey_judges_are_found_by_name(store: Store, status: str) -> None:
    media = store.put("one", status=status)
    assert names(store.archive.named(media)) == ([] if status in WITHDRAWN_MEDIA else media)


def test_what_was_changed_a_moment_ago_is_read_last(fhir_server: Fhir) -> None:
    store = FhirStore(fhir_server.base_url, BackfillSettings(settle_s=60))
    written = [reference for number in range(4) for reference in store.put(str(number))]
    early = store.archive.media(of(store), None, 2)
    assert (early.candidates, early.cursor, early.last) == ((), None, False)
    whole = store.archive.media(of(store), None, 4)
    assert (names(whole.candidates), whole.last) == (written, True)
