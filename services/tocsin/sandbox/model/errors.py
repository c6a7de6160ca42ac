"""The error that keeps the reference model from being built."""

from __future__ import annotations

from tocsin.errors import Stop


class ModelUnusable(Stop):
    """The reference model could not be fetched, verified or converted; nothing was served in its place."""
