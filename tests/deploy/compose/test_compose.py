"""compose.yaml, and compose.reports.yaml over it, as Docker Compose's own loader reads them with the example's variables."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tocsin import environment
from tocsin.cli.commands import COMMANDS
from tocsin.settings import Settings

from tests.deploy.compose import project as compose
from tests.deploy.compose.project import Json

PROJECT = compose.example()
SERVICES: dict[str, Json] = PROJECT["services"]
FILES: Final = compose.FILE.read_text() + compose.REPORTS.read_text()
OURS = ("topics", "consume", "work", "beat")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?])?")
REPORT_FOLDER: Final = "TOCSIN_WATCH__REPORT_FOLDER"
LEAVING_S = 15
"""What a process needs at its end besides draining: 5 s for a rebalance, 5 to commit and 5 to leave the bus."""


def example_lines() -> dict[str, str]:
    """Every variable that the example names, also those that it leaves at their default."""
    lines = (line.removeprefix("#") for line in compose.EXAMPLE.read_text().splitlines() if re.match(r"#?[A-Z_]+=", line))
    return dict(line.split("=", 1) for line in lines)


def settings_of(service: str, **more: str) -> dict[str, str]:
    variables: dict[str, str] = SERVICES[service]["environment"] | more
    return {name: value for name, value in variables.items() if name.startswith(environment.PREFIX)}


def seconds(duration: str) -> int:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(\d+)s", duration).groups()  # type: ignore[union-attr] # as Go writes it
    return 60 * int(minutes or 0) + int(rest)


def test_what_was_read_is_this_compose_file_with_this_example() -> None:
    read = json.loads(compose.READ.read_text())
    assert read["sha256"] == compose.digest(), "read it anew, with Go on PATH: .venv/bin/python -m tests.deploy.small --read"


@pytest.mark.parametrize("service", SERVICES)
def test_no_part_can_change_its_files_gain_a_right_or_take_the_machine_down(service: str) -> None:
    part = SERVICES[service]
    assert (part["read_only"], part["cap_drop"], part["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert int(part["mem_limit"]) > 0
    assert part["pids_limit"] > 0
    assert part["logging"]["driver"] == "local"
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode"} & part.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_every_part_but_the_one_that_makes_topics_comes_back_by_itself(service: str) -> None:
    assert SERVICES[service]["restart"] == ("no" if service == "topics" else "unless-stopped")


def test_nothing_is_published_but_the_bus_and_the_record_and_both_to_this_machine_alone() -> None:
    published = {
        name: [(port["host_ip"], port["published"]) for port in part["ports"]] for name, part in SERVICES.items() if part.get("ports")
    }
    assert published == {"kafka": [("127.0.0.1", "9094")], "hapi": [("127.0.0.1", "8080")]}


def test_only_those_who_need_redis_reach_it_and_it_reaches_nobody() -> None:
    assert {name for name, part in SERVICES.items() if "queue" in part["networks"]} == {"redis", "work", "beat"}
    assert list(SERVICES["redis"]["networks"]) == ["queue"]
    assert PROJECT["networks"]["queue"]["internal"]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_named_by_the_site_and_by_its_digest(service: str) -> None:
    raw = yaml.safe_load(compose.FILE.read_text())["services"][service]["image"]
    assert re.fullmatch(r"\$\{IMAGE_[A-Z]+:\?[^}]+\}", raw)
    name, _, digest = SERVICES[service]["image"].partition("@sha256:")
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert not re.search(r"[.:]", name), "no host of a registry, and no tag"


def test_every_variable_is_explained_and_none_is_explained_in_vain() -> None:
    used = {name for name, _ in VARIABLE.findall(FILES)}
    settings = {name for name in example_lines() if name.startswith(environment.PREFIX)}
    assert used - settings == example_lines().keys() - settings - {"COMPOSE_PROFILES", "COMPOSE_FILE"}
    assert used & settings == {name for name in used if name.startswith(environment.PREFIX)}


def test_what_the_example_gives_as_a_default_is_the_default() -> None:
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", FILES))
    assert {name: example_lines()[name] for name in defaults if not name.startswith(environment.PREFIX)} == {
        name: value for name, value in defaults.items() if not name.startswith(environment.PREFIX)
    }


@pytest.mark.parametrize("service", OURS)
def test_tocsin_takes_every_setting_that_its_parts_are_given(service: str, tmp_path: Any) -> None:
    secret = tmp_path / "redis-url"
    secret.write_text("redis://:secret@redis:6379/0\n")
    settings = environment.read(Settings, settings_of(service, TOCSIN_REDIS__URL_FILE=str(secret))).settings
    assert settings.kafka.replication_factor == 1
    assert settings.redis.url.get_secret_value() == "redis://:secret@redis:6379/0"


def test_every_setting_of_the_example_exists_and_takes_its_value(tmp_path: Any) -> None:
    given = {name: value for name, value in example_lines().items() if name.startswith(environment.PREFIX)}
    known = environment.variables(Settings)
    for name in given.keys() & {each for each in known if known[each].of_file}:
        given[name] = str(tmp_path / "secret")
    (tmp_path / "secret").write_text("value")
    environment.read(Settings, given)


def test_no_secret_stands_in_an_environment() -> None:
    known = environment.variables(Settings)
    given = {name for service in OURS for name in settings_of(service)}
    assert not [name for name in given if known[name].secret and not known[name].of_file]
    assert not [name for part in SERVICES.values() for name in part.get("environment", {}) if re.search(r"PASSWORD|TOKEN$|SECRET", name)]


@pytest.mark.parametrize("service", OURS)
def test_each_part_of_tocsin_runs_a_command_of_its(service: str) -> None:
    assert SERVICES[service]["command"][0] == service
    assert service in COMMANDS


def test_two_processes_of_one_group_have_no_common_name() -> None:
    named = [service for service in OURS if "TOCSIN_KAFKA__GROUP_INSTANCE_ID" in settings_of(service)]
    assert named == ["consume"]


@pytest.mark.parametrize("service", ["consume", "work", "beat"])
def test_docker_waits_for_longer_than_a_process_may_take_to_end(service: str) -> None:
    settings = Settings()
    bound = max(settings.consume.drain_timeout_s, settings.work.drain_timeout_s) + LEAVING_S
    assert seconds(SERVICES[service]["stop_grace_period"]) > bound


def test_what_is_waited_for_until_it_is_healthy_says_when_it_is() -> None:
    waited_for = {
        name for part in SERVICES.values() for name, wait in part.get("depends_on", {}).items() if wait["condition"] == "service_healthy"
    }
    assert waited_for == {"kafka", "redis", "triton"}
    assert all(SERVICES[name]["healthcheck"]["test"] for name in waited_for)


def test_a_neighbour_that_the_site_has_already_is_not_waited_for() -> None:
    optional = {name for name, part in SERVICES.items() if part.get("profiles")}
    waits = [(name, wait) for part in SERVICES.values() for name, wait in part.get("depends_on", {}).items()]
    assert optional == {"kafka", "hapi", "triton"}
    assert all(wait["required"] == (name not in optional) for name, wait in waits)


@pytest.mark.parametrize("service", SERVICES)
def test_no_health_check_needs_curl_or_wget(service: str) -> None:
    check = " ".join(SERVICES[service].get("healthcheck", {}).get("test") or ())
    assert not re.search(r"\b(curl|wget|nc)\b", check)
    assert "urllib" not in check, "it would send the question to a proxy that Docker hands to its containers"


def test_secrets_are_mounted_as_their_folder_so_that_one_that_is_replaced_is_seen() -> None:
    for service in OURS:
        [mount] = [each for each in SERVICES[service]["volumes"] if each["target"] == "/run/secrets"]
        assert (mount["source"], mount["read_only"], mount["bind"]) == ("/srv/tocsin/secrets", True, {"create_host_path": False})
        assert "secrets" not in SERVICES[service]


def test_the_site_file_is_mounted_as_its_folder_and_what_watching_compares_with_for_work_alone() -> None:
    sources = {
        name: {each["target"]: each["source"] for each in SERVICES[name]["volumes"] if each["type"] == "bind" and each["read_only"]}
        for name in OURS
    }
    assert {name for name, each in sources.items() if each.get("/site") == "/srv/tocsin/site"} == {"consume", "work"}
    assert {name for name, each in sources.items() if each.get("/watch") == "/srv/tocsin/watch"} == {"work"}
    serve = yaml.safe_load(compose.FILE.read_text())["services"]["serve"]
    assert "/site" in [each["target"] for each in serve["volumes"]]
    named = {example_lines()[name] for name in ("TOCSIN_MODEL__SITE_FILE", "TOCSIN_WATCH__BASELINE", "TOCSIN_WATCH__PICTURES")}
    assert named == {"/site/active.yaml", "/watch/scores.jsonl", "/watch/known"}


def test_a_site_that_wants_monthly_reports_gives_work_alone_a_folder_to_write() -> None:
    assert example_lines()["COMPOSE_FILE"] == f"{compose.FILE.name}:{compose.REPORTS.name}"
    services = deepcopy(compose.reporting()["services"])
    told = {name: part["environment"].pop(REPORT_FOLDER) for name, part in services.items() if REPORT_FOLDER in part.get("environment", {})}
    assert told == {"work": "/reports", "beat": "/reports"}, "`check` would fail for any other, which cannot write there"
    assert environment.read(Settings, {REPORT_FOLDER: told["work"]}).settings.watch.report_folder == Path("/reports")
    mounts = services["work"]["volumes"]
    [reports] = [each for each in mounts if each["type"] == "bind" and not each.get("read_only")]
    assert (reports["source"], reports["target"]) == ("/srv/tocsin/reports", "/reports")
    assert reports["bind"] == {"create_host_path": False}, "Docker would make it root's, and work could not write there"
    mounts.remove(reports)
    assert services == SERVICES, "nothing else is changed, and nothing at all without that file"


def test_no_line_for_every_process_names_the_folder_of_monthly_reports() -> None:
    assert REPORT_FOLDER not in example_lines()
    assert [name for name, part in SERVICES.items() if REPORT_FOLDER in part.get("environment", {})] == []


def test_what_has_to_outlive_a_container_lies_in_a_volume_with_a_name() -> None:
    kept = {name: [each["source"] for each in part.get("volumes", ()) if each["type"] == "volume"] for name, part in SERVICES.items()}
    assert {name: volumes for name, volumes in kept.items() if volumes} == {"kafka": ["kafka"], "redis": ["redis"], "hapi": ["hapi"]}
    assert PROJECT["volumes"].keys() == {"kafka", "redis", "hapi"}


def test_java_may_use_most_of_what_its_container_is_allowed() -> None:
    heap = int(re.search(r"-Xmx(\d+)m", SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"])[1])  # type: ignore[index] # it is set
    assert heap << 20 < int(SERVICES["kafka"]["mem_limit"]) * 0.75
    assert "MaxRAMPercentage=70" in SERVICES["hapi"]["environment"]["JAVA_TOOL_OPTIONS"]


def test_the_pages_are_started_where_they_are_asked_for_and_reached_from_this_machine_alone() -> None:
    assert "serve" not in SERVICES
    serve = yaml.safe_load(compose.FILE.read_text())["services"]["serve"]
    assert (serve["profiles"], serve["command"], serve["ports"]) == (["serve"], ["serve"], ["127.0.0.1:${SERVE_PORT:-8443}:8443"])
    assert (serve["read_only"], serve["cap_drop"], serve["restart"]) == (True, ["ALL"], "unless-stopped")
    own = {name: str(value) for name, value in serve["environment"].items() if name.startswith("TOCSIN_SERVE__")}
    settings = environment.read(Settings, own).settings.serve
    assert (settings.host, settings.port) == ("0.0.0.0", 8443)
