"""What the command lines of benchmarks and long runs have in common."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

COULD_NOT_RUN: Final = 3
"""The exit code of a run that could not be done, which says nothing about the product."""


def parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m MODULE`, whose help shows the module's docstring with its own lines."""
    return argparse.ArgumentParser(f"python -m {module}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def whole_number(text: str) -> int:
    """1 or more; argparse shows this function's name where the text is no number."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def positive_number(text: str) -> float:
    """Above 0."""
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return float(text)


def writable_file(text: str) -> Path:
    """A file that can be written once a long run is over: looked at now, and neither made nor changed."""
    file = Path(text)
    if file.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: name a file")
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {file.parent}: make it first")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} may not be written by this user")
    return file


@contextmanager
def working_folder(keep: Path | None, name: str) -> Iterator[Path]:
    """The folder of `--keep`, made where it is not there; without one a folder that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with TemporaryDirectory(prefix=f"tocsin-{name}-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def end_in_order_when_told() -> None:
    """SIGTERM ends the run as an exception would, so that every part that it started is ended."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
