"""compose.yaml's services as Docker Compose would start them, as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from urllib.request import urlopen

from tocsin.network import HOST, free_ports
from tocsin.sandbox.process import Child, Launch

from tests.deploy.compose import project as compose
from tests.deploy.compose.project import Json
from tests.deploy.small import page
from tests.deploy.small.site import Neighbours, Site, redis_programs
from tests.deploy.small.steps import Steps
from tests.support.waiting import eventually

PROCESSES = ("consume", "work", "beat")
_PROGRAMS = {"python3": (sys.executable,), "tocsin": (sys.executable, "-m", "tocsin")}
"""Program of a container -> what stands for it here."""
GRACE_S = 40.0
"""The services' stop_grace_period."""


def run(steps: Steps, neighbours: Neighbours, services: Mapping[str, Json]) -> None:
    """From a bus without topics to a flag, and to a good end. Raises what went wrong."""
    site = neighbours.site
    with steps.step("compose", "the example is read by Docker Compose's own loader as it was read last"):
        assert compose.project(compose.EXAMPLE.read_text()) == compose.example()
        assert compose.project(compose.EXAMPLE.read_text(), over=(compose.REPORTS,)) == compose.reporting()
    with steps.step("compose", "the neighbours are healthy by their own checks"):
        _ask_neighbours(neighbours, services)
    with steps.step("compose", "the topics are made by their job"):
        assert _started("topics", site, services["topics"], {}).exit_code == 0
    with steps.step("compose", "the processes become healthy, flag the first picture of the page, and end before Docker would kill them"):
        with processes(site, services) as children:
            page.first_flag(site)
        assert [child.exit_code for child in children] == [0, 0, 0]
    with steps.step("compose", "the pages' process becomes healthy, answers a browser, and ends before Docker would kill it"):
        _serve(site)
    with steps.step("compose", "by the site file of its folder, which `.env` names, a consumer that is started anew judges"):
        site.site_file(site.folder / "site")
        named = {"TOCSIN_MODEL__SITE_FILE": mapped(site, "/site/active.yaml"), "TOCSIN_REPORT__EDITION": "2"}
        with processes(site, services, ("consume",), named):
            site.judged_at_site("m-at-site-in-compose")


@contextmanager
def processes(
    site: Site, services: Mapping[str, Json], names: Sequence[str] = PROCESSES, more: Mapping[str, str] | None = None
) -> Iterator[Sequence[Child]]:
    """These processes, healthy by their own checks, until the block ends; `more` is what a site's `.env` has besides."""
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with ExitStack() as ends:
        children = [_started(name, site, services[name], {**(more or {}), "TOCSIN_METRICS__PORT": str(ports[name])}) for name in names]
        for child in children:
            ends.callback(child.stop, grace_s=GRACE_S)
        for name in names:
            eventually(partial(_check, site, services[name], ports[name]), within_s=180, what=f"{name}'s health")
        yield children


def _serve(site: Site) -> None:
    """Start the pages as the profile `serve` has them, ask for one, and end them."""
    profiles = compose.project(compose.EXAMPLE.read_text(), {"COMPOSE_PROFILES": "serve"})["services"]
    [port] = free_ports(1)
    with processes(site, profiles, ("serve",), {"TOCSIN_SERVE__HOST": HOST, "TOCSIN_SERVE__PORT": str(port)}) as [serve]:
        with urlopen(f"http://{HOST}:{port}/", timeout=10) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        began = time.monotonic()
    assert (serve.exit_code, time.monotonic() - began < GRACE_S) == (0, True)


def environment(site: Site, service: Json) -> dict[str, str]:
    """The service's environment, with the neighbours where they are here."""
    variables = {name: mapped(site, value) for name, value in service["environment"].items()}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **variables}


def mapped(site: Site, value: str) -> str:
    """The value, with the name of each neighbour and folder replaced by what stands for it here."""
    for name, here in site.addresses().items():
        value = value.replace(name, here)
    return value


def health_check(service: Json, ports: Mapping[int, int]) -> Sequence[str]:
    """The words of a service's check, which asks at these ports of this machine in place of its own."""
    kind, *words = service["healthcheck"]["test"]
    argv = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
    for port, here in ports.items():
        argv = [word.replace(str(port), str(here)) for word in argv]
    return [*_PROGRAMS.get(argv[0], (argv[0],)), *argv[1:]]


def _check(site: Site, service: Json, port: int) -> bool:
    """Whether the service's own check passes in its own environment."""
    variables = environment(site, service) | {"TOCSIN_METRICS__HOST": HOST, "TOCSIN_METRICS__PORT": str(port)}
    return subprocess.run(health_check(service, {}), env=variables, capture_output=True, timeout=30, check=False).returncode == 0


def _ask_neighbours(neighbours: Neighbours, services: Mapping[str, Json]) -> None:
    """Ask each by its own check; raises CalledProcessError where one is not healthy."""
    broker = int(neighbours.site.bootstrap_servers.rpartition(":")[2])
    client = f"{redis_programs() / 'redis-cli'} -h {HOST} -p {neighbours.redis_port}"
    asked = [mapped(neighbours.site, word).replace("redis-cli", client) for word in health_check(services["redis"], {})]
    for argv in (
        health_check(services["kafka"], {9092: broker}),
        health_check(services["triton"], {8000: neighbours.triton_http_port}),
        asked,
    ):
        subprocess.run(argv, check=True, timeout=30, capture_output=True)


def _started(name: str, site: Site, service: Json, more: Mapping[str, str]) -> Child:
    folder = site.folder / "compose"
    folder.mkdir(exist_ok=True)
    variables = environment(site, service) | {"TOCSIN_METRICS__HOST": HOST} | dict(more)
    argv = (sys.executable, "-m", "tocsin", *service["command"])
    return Child(Launch(f"tocsin {name}", argv, folder, folder / f"{name}.log", variables))
