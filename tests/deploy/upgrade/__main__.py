"""A rolling update and two roll-backs on the real parts under load, and an account of every event.

Starts real Kafka, a real FHIR server, real Triton and real Redis, and on them three `tocsin consume` with static membership, `tocsin work`
and `tocsin beat` of an earlier version, which is installed in an environment of its own. Under a steady load of good and bad events, and a
backfill beside it, every process is replaced by the working tree's, one at a time, each once the last is ready; then all go back to the
earlier version, with the number that it had (TOCSIN_REPORT__EDITION) and then with a higher one. The auditor of tests.chaos counts what
became of every event; some pictures are announced anew after each roll-out, to see whose verdict holds.

The last line is `events N lost L duplicated D wrong W idle S s of B s + M s`: B is the bound, M the longest that an ending took before
anything was rolled out, which a busy machine adds. Exit codes: 0 every event has its one ending, no partition stood still for longer than
that, and everything was as deploy/operations.md says; 1 something was not; 3 the run itself could not be done.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from kafka.errors import KafkaError
from tocsin.errors import Stop
from tocsin.terminal import terminal

from tests.chaos.evidence import EvidenceMissing
from tests.chaos.hospital import HospitalStuck
from tests.deploy.upgrade.fleet import ProcessWrong
from tests.deploy.upgrade.run import Asked, run
from tests.deploy.upgrade.tell import as_text
from tests.deploy.upgrade.versions import EARLIER, VersionMissing, earlier, working_tree
from tests.support.command_line import COULD_NOT_RUN, end_in_order_when_told, parser, working_folder


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    end_in_order_when_told()
    progress = terminal()
    try:
        old = working_tree() if options.same else earlier(options.earlier, progress)
        asked = Asked(old, working_tree(), options.rate, options.seed, options.between, options.settle)
        with working_folder(options.keep, "upgrade") as folder:
            outcome = run(asked, folder, progress)
    except (Stop, HospitalStuck, EvidenceMissing, VersionMissing, ProcessWrong, KafkaError, OSError) as reason:
        print(f"the run could not be done: {reason}", file=sys.stderr)
        return COULD_NOT_RUN
    print(as_text(outcome))
    return 0 if outcome.clean else 1


def _options() -> argparse.ArgumentParser:
    options = parser("tests.deploy.upgrade", __doc__)
    options.add_argument(
        "--from", dest="earlier", default=EARLIER, metavar="REV", help=f"the earlier version: a revision or a wheel's file ({EARLIER})"
    )
    options.add_argument("--same", action="store_true", help="the working tree's version is the earlier one as well: nothing is installed")
    options.add_argument("--rate", type=float, default=3.0, metavar="R", help="events a second (3)")
    options.add_argument("--seed", type=int, default=1, metavar="S", help="which events (1)")
    options.add_argument("--between", type=float, default=15.0, metavar="S", help="load without a change around a roll-out, seconds (15)")
    options.add_argument("--settle", type=float, default=300.0, metavar="S", help="longest wait for everything to end, seconds (300)")
    options.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave logs and data there")
    return options


if __name__ == "__main__":
    sys.exit(main())
