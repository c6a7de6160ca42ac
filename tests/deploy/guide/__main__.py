"""Follows the documents for a hospital that installs Tocsin by itself, from the clean checkout to the first flag and beyond.

Starts a Kafka with TLS, users and an authorizer, a FHIR server (HAPI) and Redis as the hospital's own, then pastes the commands of
deploy/install.md, and of the pages that it sends its reader to, in their order into a clean folder with a fresh environment. Example
addresses are replaced by the real ones, and nothing else. Fetches packages by pip and npm; takes some ten minutes on two idle cores.

The end is a table: each block, what it said last, and its time. Exit codes: 0 every command did what its page says; 1 one did not, and
what it said is printed; 3 a server could not be started.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tocsin.errors import Stop
from tocsin.terminal import terminal

from tests.deploy.guide.blocks import ROOT, blocks
from tests.deploy.guide.hospital import hospital
from tests.deploy.guide.tools import put_tools
from tests.deploy.guide.walk import Step, StepFailed, Walk
from tests.support.command_line import COULD_NOT_RUN, parser, working_folder

PAGES: Final = ("install.md", "events.md", "data.md", "on-call.md")


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    steps: list[Step] = []
    try:
        with working_folder(options.keep, "guide") as folder:
            _walk(folder, steps)
    except StepFailed as failed:
        print(f"\n{failed}", file=sys.stderr)
        return 1
    except Stop as reason:
        print(f"the walk could not be done: {reason}", file=sys.stderr)
        return COULD_NOT_RUN
    finally:
        print(f"\n{len(steps)} blocks done in {sum(step.took_s for step in steps):.0f} s")
        for step in steps:
            print(f"{step.place:<34} {step.took_s:7.1f} s  {step.did[:110]}")
    return 0


def _walk(folder: Path, steps: list[Step]) -> None:
    progress, checkout = terminal(), folder / "tocsin"
    _check_out(checkout)
    shutil.rmtree(folder / "hospital", ignore_errors=True)
    put_tools(folder / "bin", progress)
    with hospital(folder / "hospital", checkout, progress) as there, ExitStack() as ending:
        walk = Walk(there, checkout, folder / "bin", ending)
        for page in PAGES:
            walk.follow(blocks(ROOT / "deploy" / page), lambda step: _tell(step, steps))


def _tell(step: Step, steps: list[Step]) -> None:
    steps.append(step)
    print(f"{step.place:<34} {step.took_s:7.1f} s  {step.did[:110]}", file=sys.stderr, flush=True)


def _check_out(folder: Path) -> None:
    """The source tree as it would be committed, without anything that was built here."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [name for name in listed.decode().split("\0") if name and (ROOT / name).exists()]
    packed = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input="\0".join(files).encode(), capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=packed.stdout, check=True)


def _options() -> argparse.ArgumentParser:
    options = parser("tests.deploy.guide", __doc__)
    said = "use this folder and keep it: a later walk does not repeat what is installed once; the servers' data are made anew"
    options.add_argument("--keep", type=Path, metavar="DIR", help=said)
    return options


if __name__ == "__main__":
    sys.exit(main())
