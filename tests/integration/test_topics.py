"""`tocsin topics` on a real broker: what is missing, what differs, and that nothing that exists is changed."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka.admin import ConfigResource, KafkaAdminClient
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.topics import CONFIG_NAMES, topic_names
from tocsin.sandbox.java import java
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import run
from tocsin.settings import KafkaSettings

from tests.support.stack import cached_jars

SCHEMAS = Path(__file__).parents[2] / "schemas" / "topics"
WITHIN_S = 60
UNCLEAN = "unclean.leader.election.enable"

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """One hospital's names for the topics, on the shared broker."""

    bootstrap_servers: str
    mark: str

    def name(self, kind: str) -> str:
        """As the settings of this site call the topic."""
        return f"{kind}-{self.mark}"

    @property
    def names(self) -> set[str]:
        """Of all its topics."""
        return {self.name(kind) for kind in KINDS}

    def topics(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`tocsin topics`, to its end."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        site = {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "5",
            **{f"TOCSIN_KAFKA__TOPIC_{kind.upper()}": self.name(kind) for kind in KINDS},
        }
        return subprocess.run(
            [sys.executable, "-m", "tocsin", "topics", *options],
            env={**ours, "NO_COLOR": "1", "COLUMNS": "80", **site, **variables},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
            cwd=SCHEMAS.parents[1],
        )

    def told(self, code: int, *options: str) -> dict[str, Json]:
        """The lines of --json, where it ends with this exit code; one copy of each partition is asked for."""
        done = self.topics("--json", "--replication-factor", "1", *options)
        assert (done.returncode, done.stderr) == (code, "")
        return {line["topic"]: line for line in map(json.loads, done.stdout.splitlines())}

    def existing(self) -> set[str]:
        """Its topics that the broker has."""
        with client(self.bootstrap_servers) as admin:
            return self.names & set(admin.list_topics())

    def config(self, kind: str) -> dict[str, str]:
        """What is in effect on a topic."""
        with client(self.bootstrap_servers) as admin:
            described = admin.describe_configs([ConfigResource("topic", self.name(kind))], config_filter="all")
        return {name: value["value"] for name, value in described["topic"][self.name(kind)].items()}

    def partitions(self, kind: str) -> int:
        """How many a topic has."""
        with client(self.bootstrap_servers) as admin:
            return len(admin.describe_topics([self.name(kind)])[0]["partitions"])

    def change(self, kind: str, **config: str) -> None:
        """Somebody changes a topic's configuration; its dots are underscores."""
        changed = {name.replace("_", "."): value for name, value in config.items()}
        with client(self.bootstrap_servers) as admin:
            admin.alter_configs([ConfigResource("topic", self.name(kind), changed)])

    def make(self, kind: str, partitions: int) -> None:
        """Somebody makes a topic without reading its file."""
        described = {"num_partitions": partitions, "replication_factor": 1}
        with client(self.bootstrap_servers) as admin:
            admin.create_topics({self.name(kind): described}, wait_for_metadata=True)


KINDS = [name.removeprefix("topic_") for name in KafkaSettings.model_fields if name.startswith("topic_")]
FILES: Mapping[str, Json] = {
    kind: yaml.safe_load((SCHEMAS / f"{default}.yaml").read_text())
    for kind, default in zip(KINDS, topic_names(KafkaSettings()), strict=True)
}


@contextmanager
def client(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        yield admin
    finally:
        admin.close()


def differing(line: Json) -> dict[str, tuple[str, str]]:
    assert all(each["fix"] for each in line["drift"])
    return {each["property"]: (each["wanted"], each["found"]) for each in line["drift"]}


def states(lines: Mapping[str, Json]) -> set[str]:
    return {line["state"] for line in lines.values()}


@pytest.fixture
def site(kafka: Kafka) -> Site:
    return Site(kafka.bootstrap_servers, secrets.token_hex(4))


@pytest.fixture
def made(site: Site) -> Site:
    """A site whose topics are there."""
    site.told(0, "--create")
    return site


def test_topics_that_nobody_made_are_missing_and_looking_makes_none(site: Site) -> None:
    lines = site.told(1)
    assert lines.keys() == site.names
    assert states(lines) == {"missing"}
    assert site.existing() == set()


def test_topics_are_made_as_their_files_say_under_the_names_of_the_settings(site: Site) -> None:
    lines = site.told(0, "--create")
    assert {(line["state"], line["created"]) for line in lines.values()} == {("ok", True)}
    for kind, file in FILES.items():
        assert site.partitions(kind) == file["partitions"]
        wanted = {name: str(value) for name, value in file["config"].items()} | {"min.insync.replicas": "1"}
        assert wanted.items() <= site.config(kind).items()


def test_topics_that_are_as_their_files_say_pass(made: Site) -> None:
    for options in ([], ["--create"]):
        lines = made.told(0, *options)
        assert {(line["state"], line["created"], *line["drift"]) for line in lines.values()} == {("ok", False)}


def test_only_what_is_missing_is_made_and_what_differs_stays(site: Site) -> None:
    site.make("flags", 2)
    lines = site.told(1, "--create")
    assert {name for name, line in lines.items() if line["created"]} == site.names - {site.name("flags")}
    assert lines[site.name("flags")]["state"] == "drift"
    assert (site.partitions("flags"), site.config("flags")["retention.ms"]) == (2, "604800000")


def test_every_property_that_drifted_is_told_and_none_is_changed(made: Site) -> None:
    made.change("imaging", retention_ms="3600000", max_message_bytes="2097152")
    made.change("replays", cleanup_policy="delete", min_insync_replicas="2")
    made.change("flags", unclean_leader_election_enable="true")
    for options in ([], ["--create"]):
        lines = made.told(1, *options)
        assert differing(lines[made.name("imaging")]) == {
            "retention.ms": ("1209600000", "3600000"),
            "max.message.bytes": ("1048576", "2097152"),
        }
        assert differing(lines[made.name("replays")]) == {"cleanup.policy": ("compact,delete", "delete"), "min.insync.replicas": ("1", "2")}
        assert differing(lines[made.name("flags")]) == {UNCLEAN: ("false", "true")}
        assert {name for name, line in lines.items() if line["state"] == "drift"} == {
            made.name(kind) for kind in ("imaging", "replays", "flags")
        }


def test_partitions_and_copies_that_differ_are_told(site: Site) -> None:
    for kind in KINDS:
        site.make(kind, {"imaging": 6, "flags": 24}.get(kind) or FILES[kind]["partitions"])
    done = site.topics("--json", "--replication-factor", "2")
    lines = {line["topic"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert all(differing(line)["replication factor"] == ("2", "1") for line in lines.values())
    assert all(differing(line)["min.insync.replicas"] == ("2", "1") for line in lines.values())
    assert differing(lines[site.name("imaging")])["partitions"] == ("12", "6")
    assert "partitions" not in differing(lines[site.name("flags")])
    assert [(each["property"], each["wanted"], each["found"]) for each in lines[site.name("flags")]["surplus"]] == [
        ("partitions", "12", "24")
    ]
    assert "partitions" not in differing(lines[site.name("replays")])


def test_the_command_that_is_told_mends_the_drift(made: Site, tmp_path: Path) -> None:
    made.change("imaging", retention_ms="3600000")
    (drift,) = made.told(1)[made.name("imaging")]["drift"]
    tool, *arguments = shlex.split(drift["fix"])
    assert tool == "kafka-configs.sh"
    command = java(tool, cached_jars("kafka"), tmp_path, (), ("kafka.admin.ConfigCommand", *arguments))
    assert not run(command, within_s=WITHIN_S, interrupted=threading.Event())
    assert states(made.told(0)) == {"ok"}


def test_a_person_reads_what_differs_and_the_command_in_one_piece(made: Site) -> None:
    made.change("imaging", retention_ms="3600000")
    done = made.topics("--replication-factor", "1")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        f"  fix: kafka-configs.sh --bootstrap-server {made.bootstrap_servers} --alter --entity-type topics "
        f"--entity-name {made.name('imaging')} --add-config retention.ms=1209600000"
    ) in lines
    assert "Asked for: replication factor 1, min.insync.replicas at most 1." in lines
    assert lines[-1] == "9 topics: 8 as their files say, 0 missing, 1 with drift."
    assert "\x1b" not in done.stdout


def test_a_topic_that_keeps_its_records_longer_is_told_of_and_passes(made: Site) -> None:
    """As deploy/watching.md and validation.md have sites do it."""
    made.change("flags", retention_ms="34560000000")
    assert states(made.told(0)) == {"ok"}
    done = made.topics("--replication-factor", "1")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert any(line.startswith(f"{made.name('flags')}, retention.ms: more than its file says, and no fault: ") for line in lines)
    assert "fix:" not in done.stdout
    assert "kafka-configs" not in done.stdout
    assert lines[-1] == "9 topics: 8 as their files say, 1 with more, 0 missing, 0 with drift."


def test_a_person_reads_how_missing_topics_come_to_be(site: Site) -> None:
    done = site.topics()
    assert done.returncode == 1
    assert "  fix: run this again with --create, or create them as their files say" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "9 topics: 0 as their files say, 9 missing, 0 with drift."


def test_a_cluster_that_is_too_small_is_named_with_what_to_give(site: Site) -> None:
    done = site.topics("--create")
    assert (done.returncode, done.stdout) == (76, "")
    assert len(done.stderr.splitlines()) == 1
    assert "InvalidReplicationFactorError" in done.stderr
    assert done.stderr.rstrip().endswith("a cluster of fewer brokers needs TOCSIN_KAFKA__REPLICATION_FACTOR, or --replication-factor")
    assert site.existing() == set()


def test_a_broker_that_is_away_is_named(site: Site) -> None:
    done = site.topics(TOCSIN_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9", TOCSIN_KAFKA__CONNECT_TIMEOUT_S="1")
    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.startswith("tocsin: kafka: ")


def test_a_configuration_that_kafka_does_not_have_ends_it_before_the_broker_is_asked(site: Site, tmp_path: Path) -> None:
    for file in SCHEMAS.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("max.message.bytes", "max.massage.bytes"))
    done = site.topics("--schemas", str(tmp_path), TOCSIN_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{tmp_path}/imaging.events.v1.dead-letters.yaml does not describe a topic" in done.stderr
    assert "max.massage.bytes" in done.stderr


def test_a_folder_without_the_files_ends_it(site: Site, tmp_path: Path) -> None:
    done = site.topics("--schemas", str(tmp_path))
    assert (done.returncode, done.stdout) == (78, "")
    assert f"no file describes the topic {sorted(site.names)[0]}" in done.stderr


def test_a_folder_of_the_hospitals_own_is_read(made: Site, tmp_path: Path) -> None:
    for file in SCHEMAS.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("1209600000", "2419200000"))
    lines = made.told(1, "--schemas", str(tmp_path))
    assert differing(lines[made.name("imaging")]) == {"retention.ms": ("2419200000", "1209600000")}


def test_the_configurations_that_files_may_name_are_those_of_the_broker(made: Site) -> None:
    assert made.config("imaging").keys() == CONFIG_NAMES


def test_the_help_says_what_each_ending_means(site: Site) -> None:
    words = " ".join(site.topics("--help").stdout.split())
    assert "Exit codes: 0 every topic is as its file says, or has more; 1 one is missing or differs; 75 no broker answers; 76" in words


def test_on_a_bus_of_one_broker_the_one_setting_is_said_that_a_pilot_needs_and_with_it_all_is_well(site: Site) -> None:
    made = site.topics("--create", TOCSIN_KAFKA__REPLICATION_FACTOR="1")
    assert made.returncode == 0
    done = site.topics()
    assert done.returncode == 1
    assert done.stdout.count("export TOCSIN_KAFKA__REPLICATION_FACTOR=1") == 1
    assert "fix:" not in done.stdout, "there is no broker for what the fixes would do"
    assert site.topics(TOCSIN_KAFKA__REPLICATION_FACTOR="1").returncode == 0


def test_a_topic_whose_latest_batch_cannot_be_read_is_named(site: Site, kafka: Kafka) -> None:
    site.told(0, "--create")
    with closing(KafkaSink(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers))) as sink:
        sink.send(site.name("imaging"), b"key", b"to be damaged")
    (log,) = (each for each in kafka.folder.glob(f"data/{site.name('imaging')}-*/*.log") if b"to be damaged" in each.read_bytes())
    log.write_bytes(log.read_bytes().replace(b"to be damaged", b"TO BE DAMAGED"))
    told = site.told(1)
    assert {topic for topic, line in told.items() if line["unreadable"]} == {site.name("imaging")}
    assert "checksum" in told[site.name("imaging")]["unreadable"]
