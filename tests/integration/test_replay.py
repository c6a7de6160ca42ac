"""`tocsin replay` gives an event another try as it was; a person closes a letter that needs none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tocsin.errors import AttemptsExhausted, NotJson, SubjectMismatch

from tests.support.letters import HOUR, NEVER, REPLAYS_MAX, TRACE, VALUE, Desk


def test_a_replay_sends_the_unchanged_event_without_its_old_trace_and_is_remembered(desk: Desk) -> None:
    refused = desk.refuse(NotJson("x"), VALUE, headers=(TRACE, ("ward", b"\x00\xff"), ("tocsin-replays", b"1"), ("tracestate", b"a=b")))
    *rows, totals = desk.rows("replay", "--reason", "not-json", "--yes")
    assert [(row["id"], row["replayed"], row["to"]) for row in rows] == [("0@0", True, desk.kafka.topic_imaging)]
    assert totals == {"dry_run": False, "replayed": 1, "already": 0, "closed": 0, "disputed": 0, "poison": 0} | NEVER
    (sent,) = desk.read(desk.kafka.topic_imaging)
    assert (sent.key, sent.value) == (refused.key, VALUE)
    place = f"{desk.kafka.topic_dead_letters}[0]@0".encode()
    assert sent.headers == (("ward", b"\x00\xff"), ("tocsin-replays", b"2"), ("tocsin-replay-of", place))
    remembered = desk.replayed()["0@0"]
    assert (remembered.replays, remembered.by, abs(remembered.at - datetime.now(UTC)) < HOUR) == (2, "operator", True)
    (listed,) = desk.rows("dead-letters", "--replayed")
    assert (listed["replays"], listed["replayed_by"], listed["replayed_at"] is not None) == (2, "operator", True)


def test_a_letter_is_closed_by_a_person_who_says_yes_and_is_then_neither_open_nor_replayed(desk: Desk) -> None:
    desk.refuse(SubjectMismatch("x"), media="m3")
    desk.refuse(NotJson("x"), VALUE)
    dry = desk.run("dead-letters", "--close", "0@0")
    assert "0@0 (subject-mismatch, Media/m3) would be closed." in dry.stdout
    assert "Nothing was closed. Run it again with --yes to do it." in dry.stdout
    assert [row["would_close"] for row in desk.rows("dead-letters", "--close", "0@0")] == [True]
    assert desk.ids("--open") == ["0@0", "0@1"]
    assert "may announce Media/m3 again" in desk.run("dead-letters", "--close", "0@0", "--yes").stdout
    assert desk.ids("--open") == ["0@1"]
    assert desk.rows("dead-letters", "--show", "0@0")[0]["closed_at"] is not None
    *rows, totals = desk.rows("replay", "--all")
    assert ([row["why_not"] for row in rows], totals["would_replay"], totals["closed"]) == (["closed", None], 1, 1)
    assert desk.rows("replay", "--all", "--again")[-1]["would_replay"] == 2


def test_a_letter_that_is_not_there_is_not_closed_nor_are_those_named_with_it(desk: Desk) -> None:
    desk.refuse(SubjectMismatch("x"))
    assert "there is no dead letter 0@9" in desk.run("dead-letters", "--close", "0@0", "--close", "0@9", "--yes", code=1).stderr
    assert desk.ids("--open") == ["0@0"]


def test_what_is_about_a_picture_of_which_it_is_open_whose_it_is_is_not_replayed_before_a_person_settled_that(desk: Desk) -> None:
    desk.refuse(SubjectMismatch("x"), media="m3")
    desk.refuse(AttemptsExhausted("x"), media="m3")
    desk.refuse(AttemptsExhausted("x"), media="m4")
    *rows, totals = desk.rows("replay", "--id", "0@1", "--id", "0@2", "--yes")
    assert ([row["why_not"] for row in rows], totals["replayed"], totals["disputed"]) == (["disputed", None], 1, 1)
    assert [row["disputed_by"] for row in rows] == ["0@0", None]
    said = desk.run("replay", "--class", "transient").stdout
    assert "disputed by 0@0" in said
    assert "1 left out: another open dead letter doubts whose picture it is" in said
    desk.run("dead-letters", "--close", "0@0", "--yes")
    assert desk.rows("replay", "--id", "0@1", "--yes")[-1]["replayed"] == 1


def test_an_event_goes_back_to_the_topic_it_came_from(desk: Desk) -> None:
    desk.refuse(AttemptsExhausted("x"), topic=desk.kafka.topic_backfill)
    desk.refuse(AttemptsExhausted("x"), topic="imaging.events.v0")
    desk.run("replay", "--all", "--yes")
    assert len(desk.read(desk.kafka.topic_backfill)) == len(desk.read(desk.kafka.topic_imaging)) == 1


def test_what_was_replayed_already_is_left_out_unless_it_is_asked_for_again(full: Desk) -> None:
    assert full.rows("replay", "--id", "0@1", "--yes")[-1]["replayed"] == 1
    assert full.rows("replay", "--class", "transient", "--yes")[-1] == {
        "dry_run": False, "replayed": 0, "already": 1, "closed": 0, "disputed": 0, "poison": 0,
    } | NEVER  # fmt: skip
    assert "1 left out: replayed since it was refused" in full.run("replay", "--class", "transient").stdout
    assert full.rows("replay", "--class", "transient", "--again", "--yes")[-1]["replayed"] == 1
    assert [dict(each.headers)["tocsin-replays"] for each in full.read(full.kafka.topic_imaging)] == [b"1", b"2"]


def test_an_event_that_was_replayed_too_often_is_refused_and_the_others_go(desk: Desk) -> None:
    desk.refuse(AttemptsExhausted("x"), headers=(("tocsin-replays", str(REPLAYS_MAX).encode()),))
    desk.refuse(AttemptsExhausted("x"), headers=(("tocsin-replays", str(REPLAYS_MAX - 1).encode()),))
    desk.refuse_without_value()
    assert desk.rows("replay", "--all")[-1]["cap"] == 1
    done = desk.run("replay", "--all", "--yes", code=1)
    assert "1 replayed." in done.stdout
    assert "1 refused: replayed TOCSIN_REPLAY__REPLAYS_MAX times." in done.stdout
    assert "1 refused: the record has no value" in done.stdout
    assert [dict(each.headers)["tocsin-replays"] for each in desk.read(desk.kafka.topic_imaging)] == [b"3"]


@pytest.mark.parametrize(
    ("options", "replays"),
    [(("--all",), 3), (("--reason", "poison"), 0), (("--class", "poison"), 1), (("--id", "0@0"), 1)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_poison_is_replayed_only_where_its_class_or_its_id_is_named(full: Desk, options: tuple[str, ...], replays: int) -> None:
    full.run("replay", *options, "--yes")
    assert len(full.read(full.kafka.topic_imaging)) == replays
    assert ("0@0" in full.replayed()) == ("--all" not in options and "--reason" not in options)


def test_replays_are_sent_no_faster_than_is_asked_and_their_progress_is_seen(desk: Desk) -> None:
    for _ in range(5):
        desk.refuse(AttemptsExhausted("x"))
    shown = desk.on_a_terminal("replay", "--all", "--yes", "--per-second", "4", TERM="xterm-256color")
    assert "replaying" in shown
    assert "5 replayed." in shown
    times = [each.timestamp_ms for each in desk.read(desk.kafka.topic_imaging)]
    assert 600 <= times[-1] - times[0] < 10_000  # 1000; the producer stamps the first one late on a busy machine


def test_a_replay_of_what_no_record_can_hold_is_refused_and_the_others_go(desk: Desk) -> None:
    desk.refuse(AttemptsExhausted("x"))
    desk.refuse(AttemptsExhausted("x"), bytes(1_200_000))
    desk.refuse(AttemptsExhausted("x"))
    done = desk.run("replay", "--all", "--yes", code=1, TOCSIN_KAFKA__SEND_BYTES_MAX="1000000")
    assert "2 replayed." in done.stdout
    assert "1 refused: no record of this size is taken" in done.stdout
    assert "TOCSIN_KAFKA__SEND_BYTES_MAX" in done.stdout
    assert sorted(desk.replayed()) == ["0@0", "0@2"]


def test_a_value_without_a_key_goes_back_without_one(desk: Desk) -> None:
    desk.refuse(AttemptsExhausted("x"), key=None)
    desk.run("replay", "--all", "--yes")
    assert [each.key for each in desk.read(desk.kafka.topic_imaging)] == [None]
