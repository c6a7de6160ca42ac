"""`tocsin dead-letters` says what was refused and why, and repeats nothing of what a sender wrote."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from tocsin.cli.commands import app
from tocsin.errors import NotJson
from tocsin.sandbox.kafka import Kafka
from typer.testing import CliRunner

from tests.support.letters import CANARY, HOUR, NOW, VALUE, WITHIN_S, Desk, filled


@pytest.fixture(scope="module")
def shelf(kafka: Kafka) -> Iterator[Desk]:
    """A desk with a letter of each sort, shared by the tests that change nothing."""
    with closing(Desk(kafka.bootstrap_servers)) as desk:
        yield filled(desk)


def test_dead_letters_are_listed_with_the_newest_last(shelf: Desk) -> None:
    rows = shelf.rows("dead-letters")
    assert [row["id"] for row in rows] == ["0@0", "0@3", "0@2", "0@1"]
    assert rows[-1] == {
        "id": "0@1",
        "class": "transient",
        "reason": "attempts-exhausted",
        "attempts": 6,
        "replays": 0,
        "first_failed_at": (NOW - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "last_failed_at": (NOW - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "replayed_at": None,
        "replayed_by": None,
        "closed_at": None,
        "media": "Media/m2",
        "original": f"{shelf.kafka.topic_imaging}[0]@0",
    }


def test_a_person_reads_one_unbroken_line_a_letter(shelf: Desk) -> None:
    done = shelf.run("dead-letters")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["ID", "FAILED", "CLASS", "REASON", "ATTEMPTS", "REPLAYS", "REPLAYED", "CLOSED", "MEDIA", "ORIGINAL"]
    assert [line.split()[0] for line in lines[1:]] == ["0@0", "0@3", "0@2", "0@1"]
    assert lines[-1].split()[2:] == ["transient", "attempts-exhausted", "6", "0", "-", "-", "Media/m2", f"{shelf.kafka.topic_imaging}[0]@0"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--reason", "not-json", "--reason", "poison"), ["0@0", "0@2"]),
        (("--class", "poison", "--class", "transient"), ["0@0", "0@1"]),
        (("--until", "150m"), ["0@0", "0@3"]),
        (("--since", (NOW - 3 * HOUR).isoformat(), "--until", "1h"), ["0@3", "0@2", "0@1"]),
        (("--media", "m3", "--media", "Media/m2"), ["0@3", "0@1"]),
        (("--id", "0@0", "--id", "0@2"), ["0@0", "0@2"]),
        (("--reason", "not-json", "--class", "poison"), []),
        (("--not-replayed", "--class", "poison"), ["0@0"]),
    ],
    ids=["reasons", "classes", "until an age", "from a time until an age", "pictures", "ids", "none of both", "not replayed"],
)
def test_a_filter_leaves_what_fits_every_part_of_it(shelf: Desk, options: tuple[str, ...], ids: list[str]) -> None:
    assert shelf.ids(*options) == ids


def test_a_list_that_is_cut_keeps_the_newest_and_says_so(shelf: Desk) -> None:
    done = shelf.run("dead-letters", "--limit", "2")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["0@2", "0@1"]
    assert "2 older ones are left out; --limit 4 lists all" in done.stderr


def test_reasons_are_counted_the_most_frequent_first(full: Desk) -> None:
    full.refuse(NotJson("x"), VALUE, ago=9 * HOUR)
    rows = full.rows("dead-letters", "--count")
    assert [(row["reason"], row["class"], row["count"]) for row in rows] == [
        ("not-json", "permanent", 2),
        ("attempts-exhausted", "transient", 1),
        ("poison", "poison", 1),
        ("subject-mismatch", "permanent", 1),
    ]
    assert (rows[0]["first_failed_at"], rows[0]["last_failed_at"]) == (
        (NOW - 18 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        (NOW - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    table = full.run("dead-letters", "--count", "--class", "permanent").stdout
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [["2", "permanent", "not-json"], ["1", "permanent", "subject-mismatch"]]
    assert "█" not in table


def test_a_terminal_shows_the_counts_as_bars_and_without_colour_where_that_is_asked(full: Desk) -> None:
    full.refuse(NotJson("x"), VALUE)
    shown = full.on_a_terminal("dead-letters", "--count", TERM="xterm-256color", NO_COLOR="1")
    bars = [line.count("█") for line in shown.splitlines() if "█" in line]
    assert bars == [24, 12, 12, 12]
    assert "\x1b[1m" not in shown
    assert "\x1b[31m" not in shown


def test_one_letter_is_shown_with_what_to_do_and_nothing_that_the_sender_wrote(shelf: Desk) -> None:
    (shown,) = shelf.rows("dead-letters", "--show", "0@2")
    assert (shown["reason"], shown["detail"]) == ("not-json", "no JSON after 30 of 31 bytes")
    assert "imaging-event.v1.schema.json" in shown["advice"]
    assert (shown["value_bytes"], shown["value_sha256"]) == (len(VALUE), hashlib.sha256(VALUE).hexdigest())
    assert (shown["key_bytes"], shown["key_sha256"]) == (len(CANARY), hashlib.sha256(CANARY.encode()).hexdigest())
    assert shown["headers"] == ["traceparent", "ward"]
    assert (shown["media"], shown["subject"], shown["event"]) == (None, None, None)
    (readable,) = shelf.rows("dead-letters", "--show", "0@3")
    assert (readable["media"], readable["subject"], readable["event"]) == ("Media/m3", "Patient/p1", "evt-1")
    page = shelf.run("dead-letters", "--show", "0@3").stdout
    assert "subject-mismatch" in page
    assert "Find out first which patient is right" in page


def test_a_header_name_cannot_steer_a_terminal(desk: Desk) -> None:
    desk.refuse(NotJson("x"), VALUE, headers=(("\x1b[2Jx", b""),))
    assert "\x1b" not in desk.run("dead-letters", "--show", "0@0").stdout
    assert desk.rows("dead-letters", "--show", "0@0")[0]["headers"] == ["\\x1b[2Jx"]


def test_a_letter_that_is_not_there_is_said_to_be_absent(desk: Desk) -> None:
    done = desk.run("dead-letters", "--show", "0@7", code=1)
    assert done.stdout == ""
    assert f"there is no dead letter 0@7 on {desk.kafka.topic_dead_letters}" in done.stderr


def test_a_damaged_letter_is_passed_over_and_said(desk: Desk) -> None:
    desk.refuse(NotJson("x"), VALUE)
    desk.damage()
    desk.refuse(NotJson("x"), VALUE)
    done = desk.run("dead-letters", "--json")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["0@0", "0@2"]
    assert f"1 record(s) left out that are not what their topic holds, the first at {desk.kafka.topic_dead_letters}[0]@1" in done.stderr


def test_a_topic_without_dead_letters_lists_none(desk: Desk) -> None:
    assert desk.rows("dead-letters") == []
    assert len(desk.run("dead-letters").stdout.splitlines()) == 1
    assert len(desk.run("dead-letters", "--count").stdout.splitlines()) == 1
    assert "0 would be replayed." in desk.run("replay", "--all").stdout


@pytest.mark.parametrize("topic", ["DEAD_LETTERS", "REPLAYS"])
def test_a_topic_that_nobody_made_is_named_with_what_to_do(desk: Desk, topic: str) -> None:
    done = desk.run("dead-letters", code=76, **{f"TOCSIN_KAFKA__TOPIC_{topic}": "nobody-made-it"})
    assert "there is no topic nobody-made-it on the bus" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("dead-letters",), ("replay", "--all", "--yes")], ids=" ".join)
def test_a_bus_that_is_away_ends_it_with_one_line(desk: Desk, words: tuple[str, ...]) -> None:
    done = desk.run(*words, code=75, TOCSIN_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9", TOCSIN_KAFKA__CONNECT_TIMEOUT_S="0.5")
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dead-letters", "--since", "yesterday"), "2026-03-01T08:30Z"),
        (("dead-letters", "--class", "hopeless"), "permanent, transient, poison"),
        (("dead-letters", "--id", "17"), "2@17"),
        (("dead-letters", "--show", "0@1", "--count"), "--show"),
        (("dead-letters", "--show", "0@1", "--reason", "not-json"), "--show"),
        (("dead-letters", "--close", "0@1", "--count"), "--close"),
        (("dead-letters", "--yes"), "--close"),
        (("dead-letters", "--reason", "nonsense"), "the reasons are attempts-exhausted, content-missing"),
        (("dead-letters", "--reason", "subject_missmatch"), "did you mean subject-mismatch?"),
        (("replay", "--reason", "nonsense"), "there is no reason 'nonsense'"),
        (("dead-letters", "--limit", "0"), "--limit"),
        (("replay",), "--all"),
        (("replay", "--yes"), "--all"),
        (("replay", "--all", "--class", "poison"), "--all"),
        (("replay", "--all", "--per-second", "0"), "--per-second"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_options_that_make_no_sense_are_refused_with_what_would(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_replay_is_a_dry_run_unless_it_is_told_yes(shelf: Desk) -> None:
    done = shelf.run("replay", "--class", "transient")
    assert f"would go to {shelf.kafka.topic_imaging}" in done.stdout
    assert "1 would be replayed." in done.stdout
    assert "--yes" in done.stdout
    *rows, totals = shelf.rows("replay", "--class", "transient")
    assert [(row["would_replay"], "replayed" in row) for row in rows] == [(True, False)]
    assert (totals["dry_run"], totals["would_replay"], "replayed" in totals) == (True, 1, False)
    assert shelf.read(shelf.kafka.topic_imaging) == shelf.read(shelf.kafka.topic_replays) == []


@pytest.mark.parametrize("columns", ["80", "60"])
def test_on_a_narrow_terminal_a_letter_takes_several_lines_none_of_them_too_long_or_broken_inside_a_word(shelf: Desk, columns: str) -> None:
    shown = shelf.on_a_terminal("dead-letters", COLUMNS=columns, TERM="dumb", NO_COLOR="1")
    lines = [line for line in shown.splitlines() if "reading" not in line]
    assert max(len(line) for line in lines) <= int(columns)
    assert [line for line in lines if line.startswith("ID 0@")] == [line for line in lines if line and not line.startswith("  ")]
    assert f"ORIGINAL {shelf.kafka.topic_imaging}[0]@0" in shown
    assert "REASON attempts-exhausted" in shown


@pytest.mark.parametrize("words", [("dead-letters",), ("dead-letters", "--json"), ("dead-letters", "--count"), ("replay", "--all")])
def test_a_reader_that_goes_away_is_no_error(full: Desk, words: tuple[str, ...]) -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    command = [sys.executable, "-m", "tocsin", *words]
    done = subprocess.run(command, env=full.environment({}), stdout=pipe, stderr=subprocess.PIPE, timeout=WITHIN_S, check=False)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")
