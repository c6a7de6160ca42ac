"""A list of labels: every row is a labelled picture, or is refused with its number and a reason; nothing is guessed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.labels_csv import NOT_READ, Labelled, Labels, band_of, pseudonym, read_labels
from tocsin.learning.labels_words import LabelsMapping, read_mapping
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged

FACTS = read_card(packaged(REFERENCE_CARD)).facts
HEADER = "file,device,malignant,age,sex,site,skin_tone,lesion_id"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for name in "abcdef":
        (images / f"{name}.jpg").write_bytes(b"no matter")
    return tmp_path


def read(folder: Path, *rows: str, header: str = HEADER, mapping: LabelsMapping | None = None) -> Labels:
    labels = folder / "labels.csv"
    labels.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return read_labels(labels, folder, FACTS, mapping or LabelsMapping())


def only(labels: Labels) -> Labelled:
    [row] = labels.rows
    assert labels.refused == []
    return row


def test_a_row_in_the_usual_columns_is_read(folder: Path) -> None:
    row = only(read(folder, "images/a.jpg,mel,1,75.0,female,upper_extremity,3,IL_1"))
    assert (row.row, row.file, row.said.picture) == (2, folder / "images" / "a.jpg", "images/a.jpg")
    assert (row.facts.sex, row.facts.age_years, row.facts.body_site_codes) == ("female", 75.0, FACTS.site_codes["arm"][:1])
    assert (row.said.malignant, row.said.lesion, row.said.score) == (True, pseudonym("IL_1"), None)
    assert row.said.groups == {
        "device": "mel",
        "age band": "60 to 79",
        "sex": "female",
        "body site": "upper_extremity",
        "skin tone": "3",
    }


@pytest.mark.parametrize(
    ("word", "site"),
    [
        ("trunk", "trunk"),
        ("hand", "arm"),
        ("upper_extremity", "arm"),
        ("head_neck_face", "head-or-neck"),
        ("lower_extremity", "leg-or-genital"),
        ("foot", "leg-or-genital"),
        ("genital", "leg-or-genital"),
        ("leg-or-genital", "leg-or-genital"),
    ],
)
def test_words_of_body_sites_become_the_cards(folder: Path, word: str, site: str) -> None:
    assert only(read(folder, f"images/a.jpg,,1,,,{word},,")).facts.body_site_codes == FACTS.site_codes[site][:1]


def test_what_is_not_stated_is_not_known(folder: Path) -> None:
    row = only(read(folder, "images/a.jpg,,,,,,,"))
    assert (row.facts.sex, row.facts.age_years, row.facts.body_site_codes) == (None, None, ())
    assert row.said.malignant is None
    assert (row.said.groups, row.said.patient, row.said.lesion) == ({}, None, None)


@pytest.mark.parametrize(("word", "malignant"), [("1", True), ("1.0", True), ("Yes", True), ("benign", False), ("0", False), ("NA", None)])
def test_an_unlabelled_row_is_never_benign(folder: Path, word: str, malignant: bool | None) -> None:
    assert only(read(folder, f"images/a.jpg,,{word},,,,,")).said.malignant is malignant


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,1,,,,,", "file-not-named"),
        ("images/none.jpg,,1,,,,,", "file-missing"),
        ("../outside.jpg,,1,,,,,", "file-outside"),
        ("/etc/passwd,,1,,,,,", "file-outside"),
        ("images,,1,,,,,", "file-unreadable"),
        (".,,1,,,,,", "file-outside"),
        ("images/a\0.jpg,,1,,,,,", "file-outside"),
        ("images/a.jpg,,maybe,,,,,", "label-unreadable"),
        ("images/a.jpg,,2,,,,,", "label-unreadable"),
        ("images/a.jpg,,1,old,,,,", "age-unreadable"),
        ("images/a.jpg,,1,-1,,,,", "age-unreadable"),
        ("images/a.jpg,,1,126,,,,", "age-unreadable"),
        ("images/a.jpg,,1,inf,,,,", "age-unreadable"),
        ("images/a.jpg,,1,,,,,,more", "row-malformed"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_a_reason(folder: Path, row: str, reason: str) -> None:
    labels = read(folder, "images/b.jpg,,0,,,,,", "", row, "images/c.jpg,,0,,,,,")
    assert [(each.row, each.reason) for each in labels.refused] == [(4, reason)]
    assert [each.row for each in labels.rows] == [2, 5]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("weight", "0", "weight-unreadable"),
        ("weight", "nan-1", "weight-unreadable"),
        ("weight", "0.05", "weight-unreadable"),
        ("weight", "1000001", "weight-unreadable"),
        ("label_kind", "guess", "label-kind-unreadable"),
        ("labelled_on", "1.3.2026", "labelled-on-unreadable"),
    ],
)
def test_what_says_how_a_label_was_got_must_be_readable(folder: Path, column: str, value: str, reason: str) -> None:
    labels = read(folder, f"images/a.jpg,1,{value}", header=f"file,malignant,{column}")
    assert [each.reason for each in labels.refused] == [reason]


def test_how_a_label_was_got_is_kept(folder: Path) -> None:
    header = "file;malignant;patient_id;label_kind;labelled_on;weight;age"
    row = only(read(folder, "images\\a.jpg;1;P-1;pathology;2026-03-01;20;41,5", header=header))
    assert (row.said.label_kind, row.said.labelled_on, row.said.weight) == ("pathology", date(2026, 3, 1), 20.0)
    assert (row.said.patient, row.facts.age_years) == (pseudonym("P-1"), 41.5)


def test_of_rows_that_say_the_same_of_one_file_the_first_is_taken(folder: Path) -> None:
    labels = read(folder, "images/a.jpg,nv,0,,,,,", "./images/a.jpg,nv,0,,,,,", "images/b.jpg,nv,0,,,,,")
    assert [each.row for each in labels.rows] == [2, 4]
    assert [(each.row, each.reason) for each in labels.refused] == [(3, "duplicate-row")]


def test_of_rows_that_contradict_each_other_none_is_taken(folder: Path) -> None:
    labels = read(folder, "images/a.jpg,nv,0,,,,,", "images/a.jpg,mel,1,,,,,", "images/b.jpg,nv,0,,,,,")
    assert [each.row for each in labels.rows] == [4]
    assert [(each.row, each.reason) for each in labels.refused] == [(2, "duplicate-row"), (3, "duplicate-row")]


@pytest.mark.parametrize("row", ["images/a.jpg,,melanoma,,,,,", "images/a.jpg,,1,old,,,,", "images/a.jpg,,1,,,,,,more"])
def test_a_row_that_cannot_be_read_contradicts_those_of_its_file(folder: Path, row: str) -> None:
    labels = read(folder, "images/a.jpg,,0,,,,,", row, "images/b.jpg,,0,,,,,")
    assert [each.row for each in labels.rows] == [4]
    assert (labels.refused[0].row, labels.refused[0].reason) == (2, "duplicate-row")
    assert (labels.refused[1].row, labels.refused[1].reason) != (3, "duplicate-row")


def test_rows_name_one_file_below_either_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "labels.csv").write_text("file,malignant\na.jpg,0\nimages/a.jpg,1\n")
    labels = read_labels(Path("labels.csv"), folder / "images", FACTS, LabelsMapping())
    assert [each.reason for each in labels.refused] == ["duplicate-row", "duplicate-row"]


@pytest.mark.parametrize("word", ["NaN", "unknown", "NA", "Unbekannt", "-", "#N/A"])
def test_a_word_for_nothing_is_no_patient_and_no_lesion(folder: Path, word: str) -> None:
    row = only(read(folder, f"images/a.jpg,1,{word},{word}", header="file,malignant,patient_id,lesion_id"))
    assert (row.said.patient, row.said.lesion) == (None, None)


@pytest.mark.parametrize("name", ["x" * 1001, '"images/a.jpg\nimages/b.jpg"'])
def test_what_cannot_be_a_files_name_is_not_told(folder: Path, name: str) -> None:
    labels = read(folder, f"1,{name}", "1,images/a.jpg", header="malignant,file")
    assert [(each.row, each.reason, each.picture) for each in labels.refused] == [(2, "row-malformed", "row 2")]
    assert [each.row for each in labels.rows] == [3]


def test_every_reason_is_explained(folder: Path) -> None:
    labels = read(folder, ",,1,,,,,", "images/a.jpg,,maybe,,,,,")
    assert all(NOT_READ[each.reason] for each in labels.refused)


def test_words_that_the_model_does_not_know_are_said_and_stay_groups(folder: Path) -> None:
    labels = read(folder, "images/a.jpg,,1,,diverse,shoulder,,", "images/b.jpg,,1,,female,shoulder,,")
    assert [row.facts.body_site_codes for row in labels.rows] == [(), ()]
    assert [row.said.groups["body site"] for row in labels.rows] == ["shoulder", "shoulder"]
    assert labels.remarks == [
        "sex: the model was told nothing for 1 rows, whose words it does not know: diverse (1)",
        "site: the model was told nothing for 2 rows, whose words it does not know: shoulder (2)",
    ]


def test_a_column_of_numbers_or_texts_makes_no_groups(folder: Path) -> None:
    for number in range(60):
        (folder / f"{number}.jpg").write_bytes(b"no matter")
    rows = [f"{number}.jpg,1,{number},{number % 2},{'x' * 100}" for number in range(60)]
    labels = read(folder, *rows, header="file,malignant,width,device,note")
    assert {name for row in labels.rows for name in row.said.groups} == {"device"}
    assert labels.remarks == [
        "column width makes no groups: it has more than 50 different values",
        "column note makes no groups: it has longer texts",
    ]


@pytest.mark.parametrize("name", ["name", "Patient ID", "patient_name", "MRN", "date-of-birth", "Vorname"])
def test_a_column_that_says_whose_picture_it_is_makes_no_groups(name: str, folder: Path) -> None:
    labels = read(folder, "images/a.jpg,1,Doe,north", "images/b.jpg,0,Doe,north", header=f"file,malignant,{name},clinic")
    assert [row.said.groups for row in labels.rows] == [{"clinic": "north"}] * 2
    assert labels.remarks == [
        f"column {name} makes no groups: it has the name of a column that may say whose picture it is (which patient_id of --mapping may "
        "name; name it in the mapping's `groups` to have its groups all the same)"
    ]


def test_a_mapping_allows_a_column_whose_heading_speaks_of_persons(folder: Path) -> None:
    labels = read(folder, "images/a.jpg,1,private", header="file,malignant,insurance", mapping=LabelsMapping(groups=("insurance",)))
    assert only(labels).said.groups == {"insurance": "private"}
    assert labels.remarks == []


def test_values_that_hardly_repeat_make_no_groups_and_few_ones_do(folder: Path) -> None:
    """Six persons of two pictures each under a heading that tells nobody so; a clinic of which some rows know nothing."""
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(b"no matter")
    rows = [f"{number}.jpg,1,person {number // 2},{'ABCD'[number % 4] if number < 4 else ''},{number}" for number in range(12)]
    labels = read(folder, *rows, header="file,malignant,wer,clinic,site")
    assert [row.said.groups.get("clinic") for row in labels.rows] == ["A", "B", "C", "D", *[None] * 8]
    assert {name for row in labels.rows for name in row.said.groups} == {"clinic", "body site"}
    assert "column wer makes no groups: it has values that hardly repeat" in labels.remarks


def test_a_column_of_sites_that_is_free_text_makes_no_groups(folder: Path) -> None:
    for number in range(60):
        (folder / f"{number}.jpg").write_bytes(b"no matter")
    labels = read(folder, *(f"{number}.jpg,1,mole {number}" for number in range(60)), header="file,malignant,site")
    assert (len(labels.rows), {name for row in labels.rows for name in row.said.groups}) == (60, set())
    assert labels.remarks[0] == "column site makes no groups: it has more than 50 different values"


@pytest.mark.parametrize("left_out", [("site",), ("site", "age", "sex", "skin_tone")])
def test_what_a_mapping_takes_out_makes_no_groups_whatever_it_holds(folder: Path, left_out: tuple[str, ...]) -> None:
    for number in range(60):
        (folder / f"{number}.jpg").write_bytes(b"no matter")
    rows = [f"{number}.jpg,1,mole {number},40,female,2" for number in range(60)]
    labels = read(folder, *rows, header="file,malignant,site,age,sex,skin_tone", mapping=LabelsMapping(no_groups=left_out))
    kept = {"site": "body site", "age": "age band", "sex": "sex", "skin_tone": "skin tone"}
    assert {name for row in labels.rows for name in row.said.groups} == set(kept.values()) - {kept[each] for each in left_out}
    assert {row.facts.age_years for row in labels.rows} == {40}, "the model is told"


def test_a_mapping_names_columns_and_words(folder: Path) -> None:
    file = folder / "mapping.yaml"
    file.write_text(
        "columns: {file: Bild, malignant: Diagnose, site: Ort, patient_id: Fall}\n"
        "words: {malignant: {Melanom: true, Naevus: false}, sex: {w: female}, site: {Rücken: trunk}}\n"
        "skin_tone_source: Fitzpatrick\n"
        "no_groups: [Arzt]\n"
    )
    mapping = read_mapping(file)
    labels = read(
        folder,
        "images/a.jpg,MELANOM,rücken,w,7,Dr. A",
        "images/b.jpg,Naevus,,,7,Dr. B",
        header="Bild,Diagnose,Ort,sex,Fall,Arzt",
        mapping=mapping,
    )
    first, second = labels.rows
    assert (first.said.malignant, second.said.malignant) == (True, False)
    assert (first.facts.sex, first.facts.body_site_codes) == ("female", FACTS.site_codes["trunk"][:1])
    assert first.said.patient == second.said.patient == pseudonym("7")
    assert first.said.groups == {"sex": "w", "body site": "rücken"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: {fil: x}", "columns.fil"),
        ("- a list", "the whole"),
        ("words: {malignant: {a: perhaps}}", "words.malignant.a"),
        ("columns: {", "no"),
    ],
)
def test_a_mapping_that_is_not_understood_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said if said != "no" else "is not YAML"):
        read_mapping(file)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"words": {"site": {"back": "trunc"}}}, "no trunc"),
        ({"words": {"sex": {"w": "woman"}}}, "no woman"),
        ({"columns": {"age": "years"}}, "age is years"),
    ],
)
def test_a_mapping_to_what_is_not_there_is_refused(folder: Path, mapping: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(folder, "images/a.jpg,,1,,,,,", mapping=LabelsMapping.model_validate(mapping))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column file and no column malignant"),
        (b"file,label\na.jpg,1\n", "no column malignant; its header names file, label"),
        (b"file,malignant,malignant\n", "twice"),
        (b"file,malignant\n\xff\xfe", "UTF-8"),
        (b'file,malignant\n"' + b"x" * 200_000, "no CSV in the row that begins at line 2"),
    ],
)
def test_what_is_no_list_of_labels_is_said(folder: Path, content: bytes, said: str) -> None:
    labels = folder / "labels.csv"
    labels.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        read_labels(labels, folder, FACTS, LabelsMapping())


@pytest.mark.parametrize(("listed", "stored"), [("L\u00e4sion.jpg", "La\u0308sion.jpg"), ("La\u0308sion.jpg", "L\u00e4sion.jpg")])
def test_a_name_whose_letters_a_mac_took_apart_is_found(folder: Path, listed: str, stored: str) -> None:
    (folder / stored).write_bytes(b"picture")
    assert only(read(folder, f"{listed},1", header="file,malignant")).file == folder / stored


def test_a_file_may_lie_below_the_lists_own_folder(folder: Path, tmp_path: Path) -> None:
    labels = folder / "images" / "list.csv"
    labels.write_text("file,malignant\na.jpg,1\n", "utf-8-sig")
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    assert only(read_labels(labels, empty, FACTS, LabelsMapping())).file == folder / "images" / "a.jpg"


def test_another_list_or_reading_has_another_hash(folder: Path) -> None:
    first = read(folder, "images/a.jpg,,1,,,,,")
    other = read(folder, "images/a.jpg,,0,,,,,")
    mapped = read(folder, "images/a.jpg,,1,,,,,", mapping=LabelsMapping(no_groups=("device",)))
    assert len({first.sha256, other.sha256, mapped.sha256}) == 3
    assert first.sha256 == read(folder, "images/a.jpg,,1,,,,,").sha256


def test_a_list_that_was_read_by_other_rules_has_another_hash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = read(folder, "images/a.jpg,,1,,,,,")
    monkeypatch.setattr("tocsin.learning.labels_csv.RULES", b"")
    assert now.sha256 != read(folder, "images/a.jpg,,1,,,,,").sha256


@pytest.mark.parametrize(("age", "band"), [(0, "under 18"), (18, "18 to 39"), (39.9, "18 to 39"), (40, "40 to 59"), (80, "80 and over")])
def test_ages_fall_into_bands(age: float, band: str) -> None:
    assert band_of(age) == band


@pytest.mark.parametrize("name", ["dx", "Diagnosis", "diagnosis_1", "Diagnose", "benign_malignant"])
def test_what_the_lesion_turned_out_to_be_makes_no_groups_unless_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a picture")
    (tmp_path / "labels.csv").write_text(f"file,malignant,{name},dx_type\na.jpg,1,mel,histo\n")
    found = [read_labels(tmp_path / "labels.csv", tmp_path, FACTS, each) for each in (LabelsMapping(), LabelsMapping(groups=(name,)))]
    assert [each.rows[0].said.groups for each in found] == [{"dx_type": "histo"}, {name: "mel", "dx_type": "histo"}]
    assert [len(each.remarks) for each in found] == [1, 0]
    assert "says what the lesion turned out to be" in found[0].remarks[0]
