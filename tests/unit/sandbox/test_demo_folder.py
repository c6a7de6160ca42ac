"""Of a real picture the demo says what its pictures.csv says, and nothing else; whatever it cannot show it names."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from tocsin.sandbox.demo.folder import PICTURES_MAX, Gathered, PicturesUnusable, gather
from tocsin.sandbox.demo.ward import INLINE_BYTES_MAX, Facts, drawn_cases, resources_of

from tests.support.pictures import encoded, textured

TODAY = date(2026, 3, 1)
JPEG = encoded(textured(32, 32))
PNG = encoded(textured(32, 32), "PNG")


def put(folder: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def gathered(folder: Path, count: int | None = None) -> Gathered:
    return gather(folder, count, "DMS", TODAY)


def refused(folder: Path, text: str | bytes) -> str:
    (folder / "pictures.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PicturesUnusable) as raised:
        gathered(folder)
    return str(raised.value)


def test_nothing_is_said_of_a_real_picture_but_its_modality(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    for case in gathered(tmp_path).cases:
        assert case.facts == Facts()
        patient, *_, media = resources_of(case, "http://127.0.0.1:1")
        assert {"gender", "birthDate"} & patient.keys() == set()
        assert {"bodySite", "createdDateTime"} & media.keys() == set()
        assert media["modality"]["coding"][0]["code"] == "DMS"


def test_each_real_picture_is_another_patients() -> None:
    assert len({case.patient for case in drawn_cases(4)}) == 2


def test_two_real_pictures_are_never_said_to_be_one_patients(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    cases = gathered(tmp_path).cases
    assert len({case.subject for case in cases}) == 3
    assert all(case.patient == case.claimed_patient for case in cases)


def test_every_record_of_the_demo_is_labelled_as_test_data(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    for case in (*gathered(tmp_path).cases, *drawn_cases(3)):
        for resource in resources_of(case, "http://127.0.0.1:1"):
            [label] = resource["meta"]["security"]
            assert (label["system"], label["code"]) == ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("between", [",", ";"])
def test_a_table_brings_what_is_known(tmp_path: Path, between: str, mark: str) -> None:
    put(tmp_path, "a.jpg", "sub/a.jpg", "c.jpg", "d.jpg")
    lines = [
        "File, sex ,birth_date,age,body_site,diagnosis",
        "a.jpg,Female,1970-06-01,,22943007,naevus",
        "sub\\a.jpg,male,,55,,",
        "c.jpg,,,,,",
    ]
    (tmp_path / "pictures.csv").write_text(mark + "\r\n".join(lines).replace(",", between) + "\r\n")
    facts = {case.file: case.facts for case in gathered(tmp_path).cases}
    assert facts == {
        "a.jpg": Facts("female", date(1970, 6, 1), "22943007"),
        "sub/a.jpg": Facts("male", date(1971, 3, 1), None),
        "c.jpg": Facts(),
        "d.jpg": Facts(),
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("b.jpg,female,,,", "there is no picture b.jpg"),
        (",female,,,", "there is no picture without a name"),
        ("a.jpg,f,,,", "sex 'f' is none of female, male, other, unknown"),
        ("a.jpg,,1970,,", "birth_date '1970' is no day"),
        ("a.jpg,,19700601,,", "birth_date '19700601' is no day"),
        ("a.jpg,,1970-02-30,,", "is no day"),
        ("a.jpg,,2026-03-02,,", "is no day"),
        ("a.jpg,,1870-01-01,,", "is no day"),
        ("a.jpg,,,-1,", "age '-1' is no whole number of years from 0 to 125"),
        ("a.jpg,,,5.5,", "age '5.5'"),
        ("a.jpg,,,\u0665\u0665,", "age"),
        ("a.jpg,,,126,", "age '126'"),
        ("a.jpg,,1970-06-01,55,", "give one"),
        ("a.jpg,,,,arm", "body_site 'arm' is no SNOMED CT code"),
        ("a.jpg,,,,,,more", "more values"),
    ],
)
def test_a_wrong_line_is_said_with_its_number_and_nothing_is_shown(tmp_path: Path, line: str, said: str) -> None:
    put(tmp_path, "a.jpg")
    words = refused(tmp_path, f"file,sex,birth_date,age,body_site\n{line}\n")
    assert "line 2: " in words
    assert said in words


def test_a_picture_with_two_lines_is_said(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    assert "line 3: a.jpg has a line already" in refused(tmp_path, "file,sex\na.jpg,male\n./a.jpg,female\n")


def test_of_many_wrong_lines_some_are_said_and_the_rest_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    words = refused(tmp_path, "file,sex\n" + "b.jpg,male\n" * 25)
    assert "25 wrong line(s)" in words
    assert words.endswith("and 15 more")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no column"), ("name,sex\na.jpg,male\n", "names name, sex"), ("file\na.jpg\n", "names file"), (b"file,sex\n\xff\xfe\n", "UTF-8")],
)
def test_a_table_that_is_none_is_said(tmp_path: Path, text: str | bytes, said: str) -> None:
    put(tmp_path, "a.jpg")
    assert said in refused(tmp_path, text)


def test_pictures_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    put(tmp_path, "x/a.jpg", "y/a.jpg", "y/z/A.JPEG")
    found = gathered(tmp_path).cases
    assert [case.file for case in found] == ["x/a.jpg", "y/a.jpg", "y/z/A.JPEG"]
    assert len({case.media_id for case in found}) == 3


def test_what_is_no_picture_is_empty_or_cannot_be_read_is_said_by_name(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", ".hidden/b.jpg", ".DS_Store")
    put(tmp_path, "scan.tif", "notes.txt", content=b"x")
    put(tmp_path, "empty.png", content=b"")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = gathered(tmp_path)
    assert [case.file for case in found.cases] == ["a.jpg"]
    others, empty, unreadable = found.left_out
    assert "2 file(s)" in others
    assert "notes.txt, scan.tif" in others
    assert "empty.png" in empty
    assert "gone.jpg (No such file or directory), pipe.jpg (not a file)" in unreadable


def test_what_only_bears_a_pictures_name_is_shown_and_left_to_tocsin_to_refuse(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", content=b"no picture")
    put(tmp_path, "b.jpg", content=PNG)
    assert [case.media_type for case in gathered(tmp_path).cases] == ["image/jpeg", "image/png"]


def test_a_folder_without_pictures_is_refused_with_what_lies_in_it(tmp_path: Path) -> None:
    put(tmp_path, "scan.tif")
    with pytest.raises(PicturesUnusable, match=r"holds no \.jpg, \.jpeg, \.png .*scan\.tif"):
        gathered(tmp_path)


def test_hundreds_of_pictures_are_taken_up_to_a_bound_that_is_said_and_read_one_at_a_time(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number:04}.jpg" for number in range(PICTURES_MAX + 5)))
    found = gathered(tmp_path)
    assert len(found.cases) == PICTURES_MAX
    assert "5 pictures behind the first 1000" in found.left_out[-1]
    assert all(isinstance(case.picture, Path) for case in found.cases)
    assert [case.file for case in gathered(tmp_path, 2).cases] == ["0000.jpg", "0001.jpg"]
    assert gathered(tmp_path, 2).left_out == []


def test_a_large_picture_lies_at_an_address(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", content=JPEG + bytes(INLINE_BYTES_MAX))
    put(tmp_path, "b.jpg")
    large, small = gathered(tmp_path).cases
    assert (large.place, small.place) == ("url", "binary")
