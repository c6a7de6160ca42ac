"""The errors that keep the reference model from being built."""

from __future__ import annotations

from tocsin.errors import Stop


class ModelUnusable(Stop):
    """The reference model could not be fetched, verified, converted or written; nothing was served in its place."""


class FolderTaken(ModelUnusable):
    """The folder holds what no `tocsin model build` wrote, or what was changed since; nothing was overwritten."""
