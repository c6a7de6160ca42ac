"""A secret that stands in the settings, or in a file that somebody else renews."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from tocsin.errors import Unavailable

TOKEN: Final = re.compile(r"^[!-~]+\Z")
"""A bearer token (RFC 6750, 2.1), or whatever else is in use as one: ASCII text without spaces."""
LINE: Final = re.compile(r"^[ -~]+\Z")

FILE_BYTES_MAX: Final = 65_536
"""A file that is larger is no secret."""

Seen = tuple[int, int, int, int]


class Secret:
    """A secret from the settings or a file. Safe for threads.

    The file is read again whenever it has changed, also where a link leads to another file (as Kubernetes renews).
    """

    def __init__(self, value: SecretStr | None, file: Path | None, *, neighbour: str, setting: str, form: re.Pattern[str] = LINE) -> None:
        """Takes either a value or a file; while the file holds no secret of this form, Unavailable(neighbour) names `setting`."""
        self._value = None if value is None else value.get_secret_value()
        self._file = file
        self._neighbour = neighbour
        self._setting = setting
        self._form = form
        self._seen: Seen | None = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The secret as it is now, without white space around it. Raises Unavailable while the file is absent, empty or of another form."""
        if self._file is None:
            return self._value or ""
        with self._lock:
            try:
                seen = _look(self._file)
                if seen != self._seen or self._value is None:
                    self._value, self._seen = self._read(self._file), seen
            except OSError as error:
                raise Unavailable(self._neighbour, f"{self._setting}: the file cannot be read ({type(error).__name__})") from None
            return self._value

    def reread(self) -> bool:
        """Have the next call read the file again, changed or not; return whether there is a file."""
        with self._lock:
            self._seen = None
        return self._file is not None

    def renewed(self, refused: str) -> bool:
        """Read the file again and return whether it holds another secret than the one that was refused."""
        return self.reread() and self() != refused

    def _read(self, file: Path) -> str:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
        try:
            text = content.decode("ascii").strip()
        except UnicodeDecodeError:
            text = ""
        if self._form.match(text) is None or len(content) > FILE_BYTES_MAX:
            raise Unavailable(self._neighbour, f"{self._setting}: the file must hold exactly one line of ASCII text")
        return text


def _look(file: Path) -> Seen:
    """The file's device, inode, time of last change (ns since 1970) and size (bytes)."""
    found = file.stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
