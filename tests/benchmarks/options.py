"""What the benchmarks' command lines have in common."""

from __future__ import annotations

import argparse


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
