"""`tocsin dead-letters` says what was refused and why, `tocsin replay` gives it another try, and neither repeats what a sender wrote."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pty
import secrets
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient
from tocsin.cli import app
from tocsin.deadletter.replay import replayed
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, NotJson, Poisoned, Refused, SubjectMismatch
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings
from typer.testing import CliRunner

from tests.builders import event_json

WITHIN_S = 60
CANARY = "Canary-Quintessa"
SEEN_AS = (CANARY, base64.b64encode(CANARY.encode()).decode()[:20], CANARY.encode().hex())
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
VALUE = b'{"name": "' + CANARY.encode() + b'", \xff'
"""No JSON, and a name in it."""
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
REPLAYS_MAX = 3
NEVER = {"cap": 0, "no-value": 0, "gone": 0, "too-large": 0}
"""None of what is never replayed."""
Json = dict[str, Any]


class Desk:
    """An operator's desk, on a bus with topics of this test alone in one partition each."""

    def __init__(self, bootstrap_servers: str) -> None:
        mark = secrets.token_hex(4)
        self.kafka = KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            topic_imaging=f"imaging-{mark}",
            topic_backfill=f"backfill-{mark}",
            topic_dead_letters=f"letters-{mark}",
            topic_replays=f"replays-{mark}",
            send_linger_ms=0,
        )
        names = ("topic_imaging", "topic_backfill", "topic_dead_letters", "topic_replays")
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            described = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "4194304"}}
            admin.create_topics({getattr(self.kafka, name): described for name in names}, wait_for_metadata=True)
        self._sink = KafkaSink(self.kafka)
        self.variables = {f"TOCSIN_KAFKA__{name.upper()}": getattr(self.kafka, name) for name in names} | {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "2",
            "TOCSIN_REPLAY__REPLAYS_MAX": str(REPLAYS_MAX),
        }

    def refuse(self, error: Refused, value: bytes | None = None, *, media: str = "m1", ago: timedelta = HOUR, **record: Any) -> Record:
        """A dead letter of this error, that failed last so long ago; gives the original."""
        content = orjson.dumps(event_json(media=f"Media/{media}")) if value is None else value
        place = Position(TopicPartition(record.get("topic", self.kafka.topic_imaging), 0), record.get("offset", 0))
        refused = Record(place, record.get("key", CANARY.encode()), content, record.get("headers", (TRACE, ("ward", CANARY.encode()))), 1)
        self.refuse_again(refused, error, ago=ago)
        return refused

    def refuse_again(self, refused: Record, error: Refused, *, ago: timedelta = HOUR) -> None:
        letter = dead_letter(refused, error, attempts=6, first_failed_at=NOW - 2 * ago, now=NOW - ago)
        send_dead_letter(self._sink, self.kafka.topic_dead_letters, letter, refused.key)

    def damage(self, value: bytes = CANARY.encode()) -> None:
        """A record that is no dead letter."""
        self._sink.send(self.kafka.topic_dead_letters, b"x", value)

    def refuse_without_value(self) -> None:
        record = Record(Position(TopicPartition(self.kafka.topic_imaging, 0), 0), b"x", None, (), 1)
        self.refuse_again(record, NotJson("the record has no value"))

    def read(self, topic: str) -> list[Record]:
        with closing(KafkaTopicReader(self.kafka)) as log:
            return list(log.read(topic))

    def replayed(self) -> dict[str, Any]:
        with closing(KafkaTopicReader(self.kafka)) as log:
            return {place.partition("[")[2].replace("]", ""): each for place, each in replayed(log, self.kafka.topic_replays).items()}

    def run(self, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """`tocsin WORDS` to its end, which must be this exit code; a name in its output is a failure."""
        command = [sys.executable, "-m", "tocsin", *words]
        done = subprocess.run(command, env=self.environment(variables), capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode == code, done.stderr
        assert [each for each in SEEN_AS if each in done.stdout + done.stderr] == []
        return done

    def rows(self, *words: str, code: int = 0) -> list[Json]:
        return [json.loads(line) for line in self.run(*words, "--json", code=code).stdout.splitlines()]

    def ids(self, *options: str) -> list[str]:
        return [row["id"] for row in self.rows("dead-letters", *options)]

    def on_a_terminal(self, *words: str, **variables: str) -> str:
        """What a person sees."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "tocsin", *words]
        process = subprocess.Popen(command, env=self.environment(variables), stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = bytearray()
        with contextlib.suppress(OSError):  # a terminal whose process has ended cannot be read
            while select.select([ours], [], [], WITHIN_S)[0] and (chunk := os.read(ours, 65536)):
                shown += chunk
        os.close(ours)
        assert process.wait(WITHIN_S) == 0
        return shown.decode()

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_") and name not in ("NO_COLOR", "TERM")}
        return {**ours, "COLUMNS": "80", "LANG": "C.UTF-8", **self.variables, **variables}

    def close(self) -> None:
        self._sink.close()


@pytest.fixture
def desk(kafka: Kafka) -> Iterator[Desk]:
    with closing(Desk(kafka.bootstrap_servers)) as desk:
        yield desk


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A desk with a letter of each sort."""
    return filled(desk)


@pytest.fixture(scope="module")
def shelf(kafka: Kafka) -> Iterator[Desk]:
    """The same, shared by the tests that change nothing."""
    with closing(Desk(kafka.bootstrap_servers)) as desk:
        yield filled(desk)


def filled(desk: Desk) -> Desk:
    """0@0 poison, 0@1 transient, 0@2 permanent and unreadable, 0@3 permanent; the latest failure is 0@1's."""
    desk.refuse(Poisoned("the process died 3 times"), media="m1", ago=4 * HOUR)
    desk.refuse(AttemptsExhausted("fhir failed on this event 6 times: HTTP 503", reference="Media/m2"), media="m2", ago=1 * HOUR)
    desk.refuse(NotJson("no JSON after 30 of 31 bytes"), VALUE, ago=2 * HOUR)
    desk.refuse(SubjectMismatch("the event names Patient/p1", reference="Media/m3"), media="m3", ago=3 * HOUR)
    return desk


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
