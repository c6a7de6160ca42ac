"""Log lines carry ids and hashes."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from tocsin.errors import where
from tocsin.telemetry.log import FIELDS, PLACES_MAX, WITHHELD, LibraryLine, Sparsely, withhold_unlisted


def test_a_field_that_is_not_listed_loses_its_value() -> None:
    line = withhold_unlisted(None, "info", {"event": "x", "media": "Media/1", "patient_name": "Jane Canary"})
    assert line == {"event": "x", "media": "Media/1", "patient_name": WITHHELD}


def test_a_library_that_complains_without_end_is_heard_once_in_a_while() -> None:
    now = [0.0]
    sparsely = Sparsely(30.0, clock=lambda: now[0])
    line = logging.LogRecord("kafka", logging.WARNING, "", 0, "no answer from %s", ("broker",), None)
    heard = []
    for moment in (0.0, 1.0, 29.0, 31.0):
        now[0] = moment
        heard.append(sparsely.filter(line))
    assert heard == [True, False, False, True]


def test_what_is_remembered_of_complaints_is_bounded() -> None:
    sparsely = Sparsely(30.0, clock=lambda: 0.0)
    for number in range(2 * PLACES_MAX):
        assert sparsely.filter(logging.LogRecord("kafka", logging.WARNING, "conn.py", number, "x", (), None))
    assert len(sparsely._said) <= PLACES_MAX


@pytest.fixture
def library() -> Any:
    """A library's logger, whose lines are told as ours."""
    out, log = io.StringIO(), logging.getLogger("a.library")
    handler = logging.StreamHandler(out)
    handler.setFormatter(LibraryLine(lambda line: json.dumps(dict(line))))
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.WARNING)
    log.out = out  # type: ignore[attr-defined] # the test reads it
    yield log
    log.removeHandler(handler)
    log.propagate = True


def told(library: Any) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(library.out.getvalue().splitlines()[-1])
    assert "Canary" not in str(line)
    assert set(line) <= FIELDS
    return line


def test_of_a_librarys_line_its_template_numbers_and_kinds_of_errors_are_told(library: Any) -> None:
    library.warning("%s answered %d of %s after %.1f s: %s", "Jane Canary", 3, ["Canary"], 1.5, KeyError("Canary"))
    line = told(library)
    assert line["event"] == "\u2026 answered 3 of \u2026 after 1.5 s: KeyError"
    assert line["place"].startswith("telemetry/test_telemetry.py:")
    assert (line["logger"], line["level"]) == ("a.library", "warning")


def test_a_template_in_several_pieces_is_told(library: Any) -> None:
    library.warning(
        "the first half of a sentence about %s and its second half",
        "Canary",
    )
    assert told(library)["event"] == "the first half of a sentence about \u2026 and its second half"


def test_a_line_that_a_library_put_together_itself_is_not_told_but_for_its_place(library: Any) -> None:
    name = "Jane Canary"
    library.warning(f"no answer for {name}")
    line = told(library)
    assert line["event"] == "a library logged a line whose text Tocsin withholds"
    assert line["place"].startswith("telemetry/test_telemetry.py:")


@pytest.mark.parametrize("message", [KeyError("Canary"), {"name": "Canary"}, "Jane " + "Canary, 7"])
def test_a_message_that_is_no_literal_is_not_told(library: Any, message: object) -> None:
    library.warning(message)
    assert told(library)["event"] == "a library logged a line whose text Tocsin withholds"


def test_a_librarys_error_is_told_by_kind_and_place(library: Any) -> None:
    try:
        int("Jane Canary")
    except ValueError:
        library.exception("it failed")
    assert told(library)["detail"].startswith("ValueError at telemetry/test_telemetry.py:")


def test_arguments_that_do_not_fit_their_template_stop_nothing(library: Any) -> None:
    line = logging.LogRecord("a.library", logging.WARNING, __file__, 1, "%d of %d", ("Canary", 1), None)
    assert json.loads(LibraryLine(lambda said: json.dumps(dict(said))).format(line))["event"] == "%d of %d"


def test_an_unforeseen_error_is_told_by_kind_and_our_own_frames_the_innermost_first() -> None:
    from tocsin.event.decode import decode

    with pytest.raises(AttributeError) as caught:
        decode(None)  # type: ignore[arg-type] # a defect
    inner = where(caught.value)
    assert inner.startswith("AttributeError at event/decode.py:")

    def ours() -> None:
        decode(None)  # type: ignore[arg-type] # a defect

    try:
        try:
            ours()
        except AttributeError as error:
            raise ValueError("Jane Canary") from error
    except ValueError as error:
        said = where(error)
    assert "Canary" not in said
    assert said.startswith("ValueError at telemetry/test_telemetry.py:")
    assert ", caused by AttributeError at event/decode.py:" in said
