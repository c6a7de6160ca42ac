"""A list as rows: a quote that stands where none belongs takes no rows in unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.labels_table import Table, read_table


def table(folder: Path, text: str) -> Table:
    (folder / "labels.csv").write_bytes(text.encode())
    return read_table(folder / "labels.csv")


def listed(*odd: tuple[int, str]) -> str:
    """A list of a hundred rows with odd ones."""
    rows = {number: f"{number}.jpg,0,Meier-{number},north" for number in range(100)} | dict(odd)
    return "file,malignant,patient_id,comment\n" + "".join(f"{row}\n" for row in rows.values())


@pytest.mark.parametrize(
    "odd",
    [
        [(4, '"4.jpg,0,Meier-4,north')],
        [(4, '4.jpg,0,Meier-4,"12 mm, left')],
        [(99, '99.jpg,0,Meier-99,"north')],
        [(4, '4.jpg,0,"Meier"-4,north')],
        [(4, '4.jpg,0,Meier-4,"12 mm'), (7, '7.jpg,0,Meier-7,"12 mm"')],
        [(4, '4.jpg,0,Meier-4,"12 mm'), (7, '7.jpg,0,Meier-7,12 mm"')],
        [(4, '4.jpg,0,"Meier-4,north'), (5, '5.jpg,0,Meier-5",north')],
        [(4, '4.jpg,0,"Meier-4,north'), (5, '5.jpg,0,Meier-5,north"')],
        [(4, '4.jpg,0,Meier-4,"north'), (5, '5.jpg,0",Meier-5,north')],
        [(4, '"4.jpg,0,Meier-4,north'), (5, '5.jpg",0,Meier-5,north')],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_list_in_which_a_quote_may_have_taken_rows_in_is_refused(tmp_path: Path, odd: list[tuple[int, str]], end: str) -> None:
    with pytest.raises(ConfigurationError, match="quote") as refused:
        table(tmp_path, listed(*odd).replace("\n", end))
    assert f"line {odd[0][0] + 2}" in str(refused.value)
    assert "Meier" not in str(refused.value)


def test_an_open_quote_in_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"begins at line 1 .*quote"):
        table(tmp_path, 'file,malignant,"comment\na.jpg,1,x\n')
    with pytest.raises(ConfigurationError, match="from line 1 to 2"):
        table(tmp_path, 'file,malignant,"comment\na.jpg,1,x"\n')


def test_a_text_over_several_lines_and_quotes_within_one_are_read(tmp_path: Path) -> None:
    found = table(tmp_path, listed((4, '4.jpg,0,Meier-4,"12 mm, left,\nthe ""old"" one, flat"'), (5, '5.jpg,0,Meier-5,a 5" scar')))
    assert len(found.rows) == 100
    assert found.rows[6]["comment"] == '12 mm, left,\nthe "old" one, flat'
    assert found.rows[7] == {"file": "5.jpg", "malignant": "0", "patient_id": "Meier-5", "comment": 'a 5" scar'}
    assert found.too_long == frozenset()


def test_a_row_with_more_values_than_names_is_told_by_its_number(tmp_path: Path) -> None:
    found = table(tmp_path, "file;malignant\na.jpg;1\n\nb.jpg;0;x\nc.jpg;0;;\n")
    assert list(found.rows) == [2, 4, 5]
    assert found.too_long == frozenset({4})
