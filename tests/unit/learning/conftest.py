"""A desk at which a site promotes, with scores of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tocsin.learning.calibrate import Wish, calibrated
from tocsin.learning.labelled import read_labelled
from tocsin.learning.promote import Attempt, register
from tocsin.site.folder import SiteFolder
from tocsin.site.protocol import Written
from tocsin.site.written import to_yaml

from tests.support.labelled import CARD, protocol
from tests.support.promotion import DECIDED, FITTED, LATER, REGISTERED, Desk


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    fitted, later = FITTED.written(folder / "fitted.jsonl"), LATER.written(folder / "later.jsonl")
    made = calibrated(read_labelled(fitted), CARD, Wish("north", 1, 0.95, 0.95, datetime(2026, 4, 2, tzinfo=UTC)))
    (folder / "candidate.yaml").write_bytes(to_yaml(made.site))
    return {"fitted": fitted, "later": later, "candidate": folder / "candidate.yaml"}


@pytest.fixture
def desk(files: dict[str, Path], tmp_path: Path) -> Desk:
    empty = Written(protocol(), "0" * 64, b"")
    bare = Desk(SiteFolder(tmp_path / "site"), Attempt(protocol=empty, card=CARD, by="anna", at=DECIDED, **files))
    under = bare.protocol()
    register(bare.folder, under, "anna", REGISTERED)
    return replace(bare, attempt=replace(bare.attempt, protocol=under))
