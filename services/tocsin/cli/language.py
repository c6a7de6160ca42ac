"""The languages that a command's option may name."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """The languages in which Tocsin says everything."""

    EN = "en"
    DE = "de"
