"""deploy/systemd's units on a real systemd of their own: what they run, what they refuse it, and when they start it again."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError
from urllib.request import urlopen

from tests.deploy.small.site import Neighbours, Site
from tests.deploy.small.steps import Steps
from tests.deploy.systemd import machine, units
from tests.deploy.systemd.machine import Machine
from tests.support.waiting import eventually

CONSUMER = "tocsin-consume@9464.service"
SERVE = "tocsin-serve.service"
RUNNING = ("tocsin-beat.service", "tocsin-work.service", SERVE, CONSUMER)
PROBE = Path(__file__).with_name("probe.py")


def run(steps: Steps, neighbours: Neighbours, folder: Path, installed: Path) -> None:
    """From an empty machine to a flag, through death, outage and a wrong setting, to a good end. Raises what went wrong."""
    site, settings = neighbours.site, _settings(neighbours.site)
    with machine.running(folder, installed, settings, {"redis-url": neighbours.redis_url}) as made:
        (site.folder / "models").rename(folder / "models")
        with steps.step("systemd", "tocsin-topics finds every topic, tocsin-check every neighbour"):
            made.systemctl("start", "tocsin-topics.service")
            made.systemctl("start", "tocsin-check.service", within_s=300)
        with steps.step("systemd", "what was enabled starts with tocsin.target"):
            made.systemctl("enable", "tocsin-consume@", "tocsin-work", "tocsin-beat", "tocsin-serve", "tocsin.target")
            made.systemctl("start", "tocsin.target")
            _all_active(made)
        with steps.step("systemd", "the pages are ready, and answer a browser"):
            eventually(partial(_answers, "http://127.0.0.1:9461/ready"), within_s=60, what="readiness")
            assert _answers("http://127.0.0.1:8443/")
        with steps.step("systemd", "one event becomes one flag and one report"):
            site.flagged("m-systemd")
            assert '"workers": 8' in made.log("tocsin-consume"), "the memory limit leaves all workers their room"
        with steps.step("systemd", "a process can read its secret and settings, and nothing can it write, run or reach that it needs not"):
            _probe(made)
        with steps.step("systemd", "a consumer that is killed is started again, and judges"):
            made.systemctl("kill", "--signal=KILL", CONSUMER)
            eventually(lambda: made.of(CONSUMER, "NRestarts") == "1", within_s=60, what="another start")
            site.flagged("m-after-death")
        with steps.step("systemd", "while the bus is away it is started again and again (exit code 75)"):
            _restarted_with(made, settings | {"TOCSIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "1"})
            eventually(lambda: int(made.of(CONSUMER, "NRestarts")) >= 2, within_s=180, what="a second start")
            assert "Nothing was lost" in made.log("tocsin-consume")
        with steps.step("systemd", "with a wrong setting it is started no more (exit code 78), until somebody has mended it"):
            _restarted_with(made, settings | {"TOCSIN_KAFKA__GROUPID": "x"})
            eventually(lambda: made.of(CONSUMER, "ActiveState") == "failed", within_s=120, what="a failed unit")
            assert made.of(CONSUMER, "ExecMainStatus") == "78"
            _restarted_with(made, settings)
            site.flagged("m-after-mending")
        with steps.step("systemd", "a site file judges after a new start, and one that is torn lets none begin (exit code 78)"):
            file, there = site.site_file(folder / "tocsin" / "site"), {"TOCSIN_MODEL__SITE_FILE": "/srv/tocsin/site/active.yaml"}
            _restarted_with(made, settings | there | {"TOCSIN_REPORT__EDITION": "2"})
            site.judged_at_site("m-at-site")
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2])
            site.flagged("m-by-what-it-read")
            _restarted_with(made, settings | there | {"TOCSIN_REPORT__EDITION": "2"})
            eventually(lambda: made.of(CONSUMER, "ActiveState") == "failed", within_s=120, what="a failed unit")
            assert made.of(CONSUMER, "ExecMainStatus") == "78"
            _restarted_with(made, settings | {"TOCSIN_REPORT__EDITION": "3"})
            site.flagged("m-without")
        with steps.step("systemd", "all end by themselves, in good order, before systemd would kill them"):
            made.systemctl("stop", "tocsin.target", *RUNNING, within_s=120)
            assert {made.of(unit, "Result") for unit in RUNNING} == {"success"}
            assert {made.of(unit, "ExecMainStatus") for unit in RUNNING} == {"0"}
            assert made.inside("ls", "/var/lib/private/tocsin-beat").stdout


def _settings(site: Site) -> dict[str, str]:
    """The example's settings, with the neighbours where they are here."""
    text = units.SETTINGS.read_text()
    given = dict(re.findall(r"^(TOCSIN_[A-Z_]+)=(.+)$", text, re.MULTILINE))
    return given | {
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": site.bootstrap_servers,
        "TOCSIN_KAFKA__REPLICATION_FACTOR": "1",
        "TOCSIN_FHIR__BASE_URL": site.fhir_url,
        "TOCSIN_TRITON__GRPC_URL": site.grpc_url,
    }


def _all_active(made: Machine) -> None:
    for unit in RUNNING:
        eventually(partial(_runs, made, unit), within_s=60, what=unit)
        assert made.of(unit, "NRestarts") == "0"


def _runs(made: Machine, unit: str) -> bool:
    return made.of(unit, "SubState") == "running"


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _restarted_with(made: Machine, settings: dict[str, str]) -> None:
    made.set(settings)
    try:
        made.systemctl("restart", CONSUMER)
    except CalledProcessError:  # it ended before systemd looked
        assert made.of(CONSUMER, "Result") == "exit-code"


def _probe(made: Machine) -> None:
    """Run the probe with the restrictions of Tocsin's units; it says what was possible that must not be, or the reverse."""
    (made.folder / "probe.py").write_text(PROBE.read_text())
    unit = made.folder / "units" / "tocsin-probe.service"
    unit.write_text(f"[Service]\nType=oneshot\nExecStart=/opt/python/bin/{machine.PYTHON} /srv/probe.py\n")
    made.systemctl("daemon-reload")
    try:
        made.systemctl("start", unit.name)
    finally:
        unit.unlink()
    assert made.log("tocsin-probe") == ""
