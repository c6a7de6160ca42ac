"""The folder of monthly reports: three files a month, the oldest months taken away. Each file is there whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.learning.monthly.month import Month
from tocsin.site.written import write_whole
from tocsin.telemetry.preflight import Check, check

KINDS: Final = ("html", "pdf", "json")
"""In the order in which they are written: a month that has its JSON is complete."""
_FILE: Final = re.compile(r"([0-9]{4}-[0-9]{2})\.(?:html|pdf|json)")


class Shelf:
    """A folder, `kept` months at most. It touches no file of another name."""

    def __init__(self, folder: Path, kept: int) -> None:
        self._folder, self._kept = folder, kept

    def has(self, month: Month) -> bool:
        """Whether that month's report is complete."""
        return self.of(month)["json"].exists()

    def of(self, month: Month) -> dict[str, Path]:
        """Kind -> where that month's file lies."""
        return {kind: self._folder / f"{month}.{kind}" for kind in KINDS}

    def put(self, month: Month, files: Mapping[str, bytes]) -> None:
        """Keep the files of a month (KINDS) instead of those before, and no more months than are kept. Raises ConfigurationError."""
        for kind, path in self.of(month).items():
            write_whole(path, files[kind])
        try:
            self._clear()
        except OSError as error:
            raise ConfigurationError(f"{self._folder} cannot be cleared of old reports ({error.strerror})") from None

    def _clear(self) -> None:
        found = sorted((match[1], path) for path in self._folder.iterdir() if (match := _FILE.fullmatch(path.name)))
        months = sorted({month for month, _ in found})
        gone = set(months[: -self._kept])
        for month, path in found:
            if month in gone:
                path.unlink(missing_ok=True)


def shelf_preflight(folder: Path | None) -> Iterator[Check]:
    """Checks, by writing a file and taking it away, that the folder of monthly reports can be written; nothing where there is none."""
    if folder is None:
        return
    probe, why = folder / f".tocsin-check-{secrets.token_hex(4)}", ""
    try:
        probe.write_bytes(b"")
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
    with suppress(OSError):
        probe.unlink(missing_ok=True)
    found = f"{folder} can be written" if not why else f"{folder} cannot be written ({why})"
    yield check("watch", "monthly reports", not why, found, "name a folder in TOCSIN_WATCH__REPORT_FOLDER that `tocsin work` may write")
