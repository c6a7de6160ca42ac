"""A real Prometheus (Debian's package prometheus) on a free port, which scrapes processes every second and reads Tocsin's rules."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import orjson
import yaml
from tocsin.network import HOST
from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers

from tests.support.queries import RULES

READY_WITHIN_S: Final = 60.0
ANSWER_WITHIN_S: Final = 10.0
EVERY: Final = "1s"
"""How often targets are scraped and rules evaluated."""


@dataclass(frozen=True)
class Sample:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Rule:
    """One rule as Prometheus last evaluated it."""

    name: str
    """Its alert or its record."""
    error: str
    """Why it could not be evaluated; empty where it could."""
    evaluated: bool


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str
    child: Child = field(repr=False)

    def ask(self, query: str) -> list[Sample]:
        """What PromQL's `query` gives now, without values that are no number. AssertionError where Prometheus refuses it."""
        found = self._get("query", query=query)["result"]
        samples = [Sample(each["metric"], float(each["value"][1])) for each in found]
        return [each for each in samples if not isnan(each.value)]

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {each["labels"]["alertname"] for each in self._get("alerts")["alerts"] if each["state"] == "firing"}

    def rules(self) -> list[Rule]:
        """Every rule that it has read."""
        found = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        return [Rule(each["name"], each.get("lastError", ""), each["health"] != "unknown") for each in found]

    def stop(self) -> None:
        """Ends it."""
        self.child.stop()

    def _get(self, what: str, **parameters: str) -> Any:
        try:
            with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters)}", timeout=ANSWER_WITHIN_S) as answer:
                return orjson.loads(answer.read())["data"]
        except HTTPError as refused:
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from None


def is_installed() -> bool:
    """Whether its programs are on the PATH."""
    return all(map(shutil.which, ("prometheus", "promtool")))


def start(folder: Path, ports: Mapping[str, int], history: Iterable[str] = ()) -> Prometheus:
    """A server below `folder` that answers; it scrapes each job of `ports` (name -> port) and evaluates deploy/prometheus/rules.yaml.

    `history` are lines of OpenMetrics with timestamps, which it has already. Raises PartDidNotStart, also where the package is not there.
    """
    folder.mkdir(parents=True)
    _remember(folder, list(history))
    (folder / RULES.name).write_text(yaml.safe_dump(_often(yaml.safe_load(RULES.read_text()))))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(_configuration(ports)))
    return on_free_ports(1, lambda free: _start(folder, free[0]))


def _often(rules: Any) -> Any:
    """The rules without the pauses that groups have of their own: no test waits for minutes."""
    return {"groups": [{name: value for name, value in group.items() if name != "interval"} for group in rules["groups"]]}


def _configuration(ports: Mapping[str, int]) -> Mapping[str, Any]:
    return {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [RULES.name],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}"]}]} for job, port in ports.items()],
    }


def _remember(folder: Path, history: list[str]) -> None:
    (folder / "history.txt").write_text("".join(f"{line}\n" for line in [*history, "# EOF"]))
    if history:
        command = [_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(folder / "history.txt"), str(folder / "data")]
        subprocess.run(command, check=True, capture_output=True, timeout=READY_WITHIN_S)


def _start(folder: Path, port: int) -> Prometheus:
    url = f"http://{HOST}:{port}"
    with started(_launch(folder, port)) as child:
        await_ready(child, lambda: answers(f"{url}/-/ready"), within_s=READY_WITHIN_S, interrupted=threading.Event())
        return Prometheus(url, child)


def _launch(folder: Path, port: int) -> Launch:
    argv = (
        _program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    )
    return Launch("Prometheus", argv, folder, folder / "log.txt", {"LANG": "C.UTF-8"})


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise PartDidNotStart(f"no {name} on the PATH: apt-get install prometheus")
    return found
