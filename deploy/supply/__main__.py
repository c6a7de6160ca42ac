"""What Tocsin is made of: `sbom`, `licences` and `audit`.

Install requirements/supply.txt in an environment of its own, and run it in the source tree's root. Exit codes: 0 it is well; 1 found (a
vulnerability, a licence that is not allowed); 2 asked wrongly, or a file cannot be read; 75 it could not tell (audit).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from deploy.supply import advisories, licences, sbom
from deploy.supply.archives import archives, pins
from deploy.supply.audit import acceptances, audited, report
from deploy.supply.environment import installed, site_packages
from deploy.supply.errors import SupplyError

LOCK: Final = Path("requirements/product.txt")
ASKED_WRONGLY: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; return the exit code."""
    chosen = _parser().parse_args(argv)
    try:
        return int(chosen.run(chosen))
    except (SupplyError, OSError) as error:
        print(error, file=sys.stderr)
        return ASKED_WRONGLY


def _sbom(chosen: argparse.Namespace) -> int:
    known = sbom.Known(licences.policy(), archives(chosen.wheels, pins(chosen.lock)))
    bill = sbom.of_image(chosen.folder, known) if chosen.of == "image" else sbom.of_environment(chosen.folder, known)
    text = sbom.written(bill, _when())
    if chosen.output is None:
        sys.stdout.write(text)
    else:
        chosen.output.write_text(text, "utf-8")
    for name in sbom.unhashed(bill) if chosen.wheels else ():
        print(f"no archive of {name} is in {', '.join(map(str, chosen.wheels))}: the bill has no hash of it", file=sys.stderr)
    return 0


def _when() -> datetime:
    """The time that the bill states: SOURCE_DATE_EPOCH (reproducible-builds.org), or now. Raises SupplyError."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        return datetime.now(UTC) if said is None else datetime.fromtimestamp(int(said), UTC)
    except (ValueError, OverflowError, OSError):
        raise SupplyError("SOURCE_DATE_EPOCH must be a whole number of seconds since 1970") from None


def _licences(chosen: argparse.Namespace) -> int:
    policy, locked = licences.policy(), pins(chosen.lock)
    wanted = {(pin.name, pin.version) for pin in locked}
    parts = installed([folder for environment in chosen.environments for folder in site_packages(environment)]).components
    verdicts = licences.judged((part for part in parts if (canonicalize_name(part.name), part.version) in wanted), policy)
    absent = sorted({pin.name for pin in locked} - {verdict.name for verdict in verdicts})
    if absent:
        raise SupplyError(f"not installed in the lock file's version: {', '.join(absent)}; name one more environment")
    problems = [f"{verdict.name} {verdict.version}: {verdict.problem}" for verdict in verdicts if verdict.problem]
    problems += [f"{name}: no part of the product needs this row of licences.yaml" for name in licences.stale(verdicts, policy)]
    text = licences.listing(verdicts, locked)
    if chosen.write and not problems:
        licences.LISTING.write_text(text, "utf-8")
    print("\n".join(problems) if problems else text, end="\n" if problems else "")
    return int(bool(problems))


def _audit(chosen: argparse.Namespace) -> int:
    bill = sbom.read(chosen.bill)
    databases = [advisories.osv(path) for path in chosen.osv] + [
        advisories.apt_lists(folder, chosen.release) for folder in chosen.apt_lists
    ]
    audit = audited(bill, databases, acceptances(), now=datetime.now(UTC), age_max=timedelta(days=chosen.age_days_max))
    print(report(audit, databases))
    return int(audit.answer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.supply", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _sbom_options(commands.add_parser("sbom", help="write a bill of materials (CycloneDX 1.6, JSON)"))
    _licences_options(commands.add_parser("licences", help="list the product's licences and check them against licences.yaml"))
    _audit_options(commands.add_parser("audit", help="look a bill's parts up in databases of known vulnerabilities that lie at hand"))
    return parser


def _sbom_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_sbom)
    parser.add_argument("of", choices=("product", "image"), help="product: a virtual environment; image: the root of an unpacked image")
    parser.add_argument("folder", type=Path, help="that folder")
    parser.add_argument(
        "--wheels", type=Path, action="append", default=[], metavar="DIR", help="wheels it was installed from, for their hashes"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write it; standard output where this is left out")
    parser.add_argument("--lock", type=Path, default=LOCK, metavar="FILE", help=f"the lock file; {LOCK} where this is left out")


def _licences_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_licences)
    parser.add_argument("environments", type=Path, nargs="+", metavar="ENVIRONMENT", help="virtual environment with the product")
    parser.add_argument("--write", action="store_true", help="write deploy/supply/licences.md")
    parser.add_argument("--lock", type=Path, default=LOCK, metavar="FILE", help=f"the lock file; {LOCK} where this is left out")


def _audit_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_audit)
    parser.add_argument("bill", type=Path, help="the bill of materials, CycloneDX in JSON")
    parser.add_argument("--osv", type=Path, action="append", default=[], metavar="PATH", help="OSV's records: all.zip of PyPI or of Debian")
    parser.add_argument("--apt-lists", type=Path, action="append", default=[], metavar="DIR", help="apt's lists, as /var/lib/apt/lists")
    parser.add_argument("--release", default="Debian:12", help="release of the image, for --apt-lists (%(default)s)")
    parser.add_argument("--age-days-max", type=int, default=7, metavar="DAYS", help="an older database counts as none (%(default)s)")


if __name__ == "__main__":
    sys.exit(main())
