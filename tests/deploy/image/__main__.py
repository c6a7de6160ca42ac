"""Builds the image twice and compares the builds, then runs it as a cluster would: each row of the table at the end is a claim of
deploy/image.md.

Built by buildah on bases that debootstrap makes, run by runc with a read-only root, a random uid, no capability and a bound on memory, on
the embedded stack with the reference model. No container engine is needed; root is, and Debian's buildah, runc and debootstrap. What is
fetched or made once (bases, wheels) is kept in the cache, below deploy/. Takes 5 minutes on two idle cores, and 15 the first time.

Exit codes: 0 every row passed; 1 one did not; 2 a tool is missing.

    python -m tests.deploy.image
    python -m tests.deploy.image --once                    # one build, which is not compared with another
    python -m tests.deploy.image --layout /srv/tocsin      # the image that a site has built elsewhere
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.reference import reference_repository
from tocsin.sandbox.stack import running_stack
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, Silent, terminal

from tests.deploy.image import build
from tests.deploy.image.container import Image
from tests.deploy.image.trials import Table, built, ran
from tests.support.command_line import parser


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    if missing := build.missing_tools():
        print(f"missing: {', '.join(missing)}; as root: apt-get install --no-install-recommends {' '.join(missing)}", file=sys.stderr)
        return 2
    began, table = time.monotonic(), Table()
    with TemporaryDirectory(prefix="tocsin-image-") as name:
        progress, scratch = terminal(), Path(name)
        images = [*map(build.read, options.layout)] or _built(scratch, progress, builds=1 if options.once else 2)
        _try(table, images, scratch, progress)
    print(table)
    print(f"{table.failed} of {len(table.rows)} failed; {time.monotonic() - began:.0f} s")
    return 1 if table.failed else 0


def _built(scratch: Path, progress: Progress, builds: int) -> list[build.Built]:
    images = []
    for number in range(builds):
        with progress.step(f"building the image ({number + 1} of {builds})"):
            images.append(build.build(str(number), scratch))
    return images


def _try(table: Table, images: Sequence[build.Built], scratch: Path, progress: Progress) -> None:
    with progress.step("unpacking the image"):
        root = build.unpacked(images[0], scratch / "root")
    built(table, images, root)
    cache = cache_folder(os.environ)
    with running_stack(
        cache=cache, models=lambda folder, interrupted: reference_repository(folder, cache, Silent(), interrupted), progress=progress
    ) as stack:
        ran(table, Image(root, images[0].config, scratch / "runs"), stack, progress)


def _options() -> argparse.ArgumentParser:
    made = parser("tests.deploy.image", __doc__)
    made.add_argument("--once", action="store_true", help="Build once, and compare with nothing.")
    made.add_argument("--layout", action="append", type=Path, default=[], help="Try an OCI layout of one image instead; two are compared.")
    return made


sys.exit(main())
