"""`tocsin demo` shows the true journey, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import orjson
import pytest
from tocsin.sandbox import jaeger
from tocsin.sandbox.artifacts import cache_folder

from tests.support.pictures import encoded, textured
from tests.support.waiting import eventually
from tests.support.web_visitor import WebVisitor

SHOWN_WITHIN_S = 900
GONE_WITHIN_S = 180
"""For a machine half as fast as a laptop that does something else besides; a demo that hangs takes longer than any of these."""

pytestmark = pytest.mark.timeout(SHOWN_WITHIN_S + 2 * GONE_WITHIN_S + 300)
"""Instead of the time that other tests get: whichever of the above passes first says what was waited for."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demo keeps what it writes; it must be empty again afterwards."""
    made = tmp_path / "temporary"
    made.mkdir()
    return made


@pytest.fixture
def traces(request: pytest.FixtureRequest) -> list[str]:
    """The option that also shows traces, where Jaeger is built; elsewhere the demo would build it for minutes."""
    asked = request.config.getoption("--jaeger") or jaeger.is_built(cache_folder(os.environ))
    return ["--traces"] if asked else []


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, its output going to files beside `folder`."""
    out, err = folder.parent / "out", folder.parent / "err"
    variables = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "tocsin", "demo", *arguments], env=variables, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def output(folder: Path) -> str:
    return (folder.parent / "out").read_text()


def assert_nothing_is_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    assert [pid for pid in _processes() if str(folder) in _command(pid)] == []


def assert_the_printed_addresses_pass_a_check(said: str, folder: Path) -> None:
    """The lines are pasted into a shell whose other settings are none."""
    pasted = "\n".join(line for line in said.splitlines() if line.startswith("export TOCSIN_"))
    check = f"{pasted}\nexec {sys.executable} -m tocsin check --json"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    done = subprocess.run(["bash", "-c", check], cwd=folder, env=clean, capture_output=True, text=True, timeout=300, check=False)
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    shown = {"traces"} if "TOCSIN_TRACES__QUERY_URL" in pasted else set()
    assert {line["part"] for line in lines} == {"card", "kafka", "fhir", "image", "triton", "redis", "report"} | shown
    assert (done.returncode, [line for line in lines if line["passed"] is False or line["warning"]]) == (0, [])
    for port in re.findall(r"curl (http://127\.0\.0\.1:\d+/ready)", said):
        assert urlopen(port, timeout=60).status == 200
    assert len(re.findall(r"# tocsin (?:consume|work|beat|serve)", said)) == 4


def assert_the_review_page_opens_without_further_steps(said: str) -> None:
    [review] = re.findall(r"^Open a flag as a clinician: (\S+)$", said, re.MULTILINE)
    shown = WebVisitor().open(review)
    assert urlsplit(shown.url).path.startswith("/reports/"), shown.text
    [ehr] = re.findall(r"^All flags, in the demo's own EHR: (\S+)$", said, re.MULTILINE)
    assert escape(review) in WebVisitor().open(ehr).text


def assert_a_trace_is_shown(said: str) -> None:
    assert "trace    tocsin trace Media/demo-001 " in said
    eventually(lambda: "ATTEMPT" in pasted(said, "trace Media/demo-001"), within_s=GONE_WITHIN_S, what="the trace")


def pasted(said: str, command: str) -> str:
    """What the command prints in a shell where the lines that the demo printed were pasted."""
    lines = "\n".join(line for line in said.splitlines() if line.startswith("export TOCSIN_"))
    done = subprocess.run(
        ["bash", "-c", f"{lines}\nexec {sys.executable} -m tocsin {command}"], capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout


def _processes() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def test_every_picture_of_a_folder_becomes_a_flag_and_the_totals_say_so(folder: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(4):
        (pictures / f"{number}.jpg").write_bytes(encoded(textured(320, 240, seed=number)))
    (pictures / "4.png").write_bytes(encoded(textured(100, 100), "PNG"))
    with demo(folder, "--images", str(pictures), "--json") as process:
        assert process.wait(timeout=SHOWN_WITHIN_S) == 0, (tmp_path / "err").read_text()
    *flags, totals = [orjson.loads(line) for line in output(folder).splitlines()]
    assert {flag["media"]: flag["file"] for flag in flags} == {
        f"Media/demo-{number + 1:03d}": file for number, file in enumerate(["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.png"])
    }
    assert all("Not for clinical use" in each["warning"] for each in (*flags, totals))
    assert all("/fhir/DiagnosticReport/" in flag["report"] and flag["seconds"] > 0 for flag in flags)
    assert [flag["reason"] for flag in flags if flag["outcome"] == "not-assessable"] == ["too-small"]
    assert all(0 <= flag["probability"] <= 1 for flag in flags if flag["outcome"] == "assessed")
    expected: dict[str, Any] = {"published": 4, "not_assessable": 1, "refused": 0}
    assert {name: totals[name] for name in expected} == expected
    assert 0 < totals["first_flag_s"] <= totals["total_s"]
    assert_nothing_is_left(folder)


def test_a_visitor_sees_good_bad_and_doubtful_pictures_and_ctrl_c_takes_everything_down(folder: Path, traces: list[str]) -> None:
    with demo(folder, "--count", "6", "--stay", *traces) as process:
        eventually(lambda: "\nlog " in output(folder) or process.poll() is not None, within_s=SHOWN_WITHIN_S, what="the end of the showing")
        assert "3 judged, 2 not assessable, 1 refused" in output(folder)
        assert "dead letter: subject-mismatch" in output(folder)
        assert "their scores mean nothing" in output(folder)
        assert "\x1b[" not in output(folder)
        assert_the_printed_addresses_pass_a_check(output(folder), folder.parent)
        assert_the_review_page_opens_without_further_steps(output(folder))
        if traces:
            assert_a_trace_is_shown(output(folder))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GONE_WITHIN_S) == 0
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_while_it_starts_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    with demo(folder) as process:
        eventually(lambda: any(str(folder) in _command(pid) for pid in _processes()), within_s=SHOWN_WITHIN_S, what="the first part")
        process.send_signal(number)
        assert process.wait(timeout=GONE_WITHIN_S) != 0
    assert "Traceback" not in (folder.parent / "err").read_text()
    assert_nothing_is_left(folder)
