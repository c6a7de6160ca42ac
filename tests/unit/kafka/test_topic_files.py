"""What the topics' files say, and under which names their topics are looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tocsin.errors import ConfigurationError
from tocsin.kafka.topics import named, read_topics, topic_names
from tocsin.settings import KafkaSettings

from tests.support.topics import CONFIG, DAY_MS, topic

TOPICS = read_topics(Path(__file__).parents[3] / "schemas" / "topics")


def written(folder: Path, content: Any) -> Path:
    """A folder with one file, bad.yaml."""
    (folder / "bad.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_topics(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def described(**changes: Any) -> dict[str, Any]:
    return topic().model_dump(mode="json", exclude_none=True) | changes


def test_a_file_that_states_all_is_read(tmp_path: Path) -> None:
    assert read_topics(written(tmp_path, described())) == [topic()]


def test_a_configuration_that_kafka_does_not_have_is_refused_with_the_files_name(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, described(config=CONFIG | {"retention.sm": 1})))
    assert "bad.yaml" in said
    assert "no topic configuration retention.sm" in said


@pytest.mark.parametrize("name", ["cleanup.policy", "retention.ms", "min.insync.replicas", "max.message.bytes"])
def test_a_file_that_leaves_to_the_brokers_what_keeps_records_is_refused(name: str, tmp_path: Path) -> None:
    said = refusal(written(tmp_path, described(config={each: value for each, value in CONFIG.items() if each != name})))
    assert said == f"{tmp_path / 'bad.yaml'} does not state {name}"


def test_a_file_that_does_not_say_how_many_copies_is_refused(tmp_path: Path) -> None:
    silent = {name: value for name, value in described().items() if name != "replication_factor"}
    assert refusal(written(tmp_path, silent)).endswith("does not state replication_factor")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("topic: [", id="no YAML"),
        pytest.param("", id="nothing"),
        pytest.param(described(partitions=0), id="no partitions"),
        pytest.param(described(retention="long"), id="a property that no topic has"),
        pytest.param(described(config=CONFIG | {"min.insync.replicas": 4}), id="more copies in sync than there are"),
    ],
)
def test_a_file_that_describes_no_topic_is_refused_in_one_line_with_its_name(content: Any, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, content)).startswith(f"{tmp_path / 'bad.yaml'} does not describe a topic: ")


def test_the_dead_letters_stay_for_ninety_days() -> None:
    (letters,) = [each for each in TOPICS if each.topic.endswith("dead-letters")]
    assert (letters.config["cleanup.policy"], letters.config["retention.ms"]) == ("delete", 90 * DAY_MS)


def test_what_clinicians_did_is_nowhere_kept_for_good() -> None:
    """deploy/decisions/0028: the topic would be a second medical record, which nobody may erase."""
    assert [each.topic for each in TOPICS if not each.for_good] == ["tocsin.verdicts.v1"]


def test_what_remembers_is_compacted_and_what_tells_is_deleted_by_age() -> None:
    policies = {each.topic: each.config["cleanup.policy"] for each in TOPICS}
    state = {"tocsin.replays.v1": "compact,delete", "tocsin.notices.v1": "compact,delete", "tocsin.backfills.v1": "compact"}
    assert policies == {name: state.get(name, "delete") for name in policies}


def test_what_is_compacted_is_so_within_the_hour_however_little_is_written() -> None:
    hour_ms = 3_600_000
    compacted = [each.config for each in TOPICS if "compact" in str(each.config["cleanup.policy"])]
    assert [(each["segment.ms"], each["max.compaction.lag.ms"]) for each in compacted] == [(hour_ms, hour_ms)] * 3


def test_a_replay_is_remembered_for_longer_than_its_dead_letter() -> None:
    kept = {each.topic: int(each.config.get("retention.ms", 0)) for each in TOPICS}
    assert kept["tocsin.replays.v1"] == 100 * DAY_MS > kept["imaging.events.v1.dead-letters"]


def test_events_outlive_a_long_weekend_and_announced_ones_a_backfill() -> None:
    days = {each.topic: int(each.config.get("retention.ms", 0)) // DAY_MS for each in TOPICS}
    assert days["imaging.events.v1"] >= 14
    assert days["tocsin.backfill.v1"] >= 90
    assert days["tocsin.flags.v1"] >= 30


def test_every_topic_survives_the_loss_of_a_broker() -> None:
    assert {(each.replication_factor, each.config["min.insync.replicas"]) for each in TOPICS} == {(3, 2)}


def test_announced_events_are_keyed_and_refused_as_live_ones_are() -> None:
    by_name = {each.topic: each for each in TOPICS}
    live, announced = by_name["imaging.events.v1"], by_name["tocsin.backfill.v1"]
    assert (live.key, live.value, live.dead_letters) == (announced.key, announced.value, announced.dead_letters)
    assert live.partitions == announced.partitions


def test_the_largest_record_tocsin_sends_fits_the_dead_letters_topic() -> None:
    (letters,) = [each for each in TOPICS if each.topic.endswith("dead-letters")]
    assert int(letters.config["max.message.bytes"]) > KafkaSettings().send_bytes_max


def test_a_topic_is_looked_for_under_the_name_that_the_settings_give_it() -> None:
    settings = KafkaSettings(topic_flags="site.flags", topic_dead_letters="site.letters")
    renamed = {each.topic: each for each in named(TOPICS, settings)}
    assert {"site.flags", "site.letters"} == renamed.keys() - {each.topic for each in TOPICS}
    assert renamed["imaging.events.v1"].dead_letters == "site.letters"
    assert renamed["site.letters"].config["retention.ms"] == 90 * DAY_MS


def test_a_file_may_itself_carry_the_name_that_the_settings_give() -> None:
    own = [each.model_copy(update={"topic": "site.flags"}) if each.topic == "tocsin.flags.v1" else each for each in TOPICS]
    assert named(own, KafkaSettings(topic_flags="site.flags")) == own


def test_a_topic_of_the_settings_that_no_file_describes_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no file describes the topic tocsin\.flags\.v1,"):
        named([each for each in TOPICS if each.topic != "tocsin.flags.v1"], KafkaSettings())


def test_two_topics_that_come_to_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"two files describe the topic tocsin\.flags\.v1:"):
        named(TOPICS, KafkaSettings(topic_dead_letters="tocsin.flags.v1"))


def test_every_topic_setting_has_a_name_of_its_own() -> None:
    names = topic_names(KafkaSettings())
    assert len(names) == sum(name.startswith("topic_") for name in KafkaSettings.model_fields)
    assert all(default == name for default, name in names.items())
