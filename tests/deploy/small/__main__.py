"""A small site on the real parts: compose.yaml's services, then systemd's units, from nothing to a flag and to a good end.

Starts real Kafka, Redis, Triton (with a model that computes nothing) and a FHIR server; Kafka and Redis get what compose.yaml gives them.

- compose: reads compose.yaml by Docker Compose's own loader (built of its Go module, half a minute of CPU, once), runs each service of
  Tocsin's with the command and environment that it has there, and asks it by its own health check. No container is run.
- systemd: installs the wheel, boots a systemd of its own in namespaces of its own, and has it run the units with all their restrictions.
  Needs root, systemd, and control groups of version 1; its processes take ports 8443, 9461, 9462, 9463 and 9464.

Takes some two minutes of CPU. Prints each step as it ends, and how many were kept. Exit codes: 0 all; 1 one was not; 3 it could not be run.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tocsin.errors import Stop

from tests.deploy.compose import project as compose
from tests.deploy.small import site, with_compose, with_systemd
from tests.deploy.small.steps import Steps
from tests.deploy.systemd.machine import NoMachine
from tests.integration.test_wheel import install
from tests.support.command_line import COULD_NOT_RUN, parser


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    if options.read:
        compose.write_example()
        return 0
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    steps = Steps()
    with TemporaryDirectory(prefix="tocsin-small-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # systemd's services belong to nobody
        try:
            _run(steps, folder, options.only)
        except (Stop, NoMachine, compose.NotRead) as reason:
            print(f"the run could not be done: {reason}", file=sys.stderr)
            return COULD_NOT_RUN
        except (AssertionError, OSError, RuntimeError) as reason:
            if options.keep is not None:
                folder.rename(options.keep)
            if not any(each.failure for each in steps.done):  # between two steps: nothing was tried that failed, and not all was tried
                print(f"the run could not be done: {type(reason).__name__}: {reason}", file=sys.stderr)
                return COULD_NOT_RUN
    print(f"{sum(not each.failure for each in steps.done)} of {len(steps.done)} steps kept")
    return 0 if steps.kept else 1


def _run(steps: Steps, folder: Path, only: str | None) -> None:
    services = compose.example()["services"]
    (folder / "site").mkdir()
    with site.running(folder / "site", services) as made:
        if only != "systemd":
            with_compose.run(steps, made, services)
        if only != "compose":
            (folder / "machine").mkdir()
            with_systemd.run(steps, made, folder / "machine", install(folder / "wheel"))


def _options() -> argparse.ArgumentParser:
    options = parser("tests.deploy.small", __doc__)
    options.add_argument("--only", choices=["compose", "systemd"], help="one of the two (both)")
    options.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and files there where a step was not kept")
    options.add_argument("--read", action="store_true", help="only have compose-go read the example, and keep it for the quick tests")
    return options


if __name__ == "__main__":
    sys.exit(main())
