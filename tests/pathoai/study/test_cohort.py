"""The cohort: only codes, merged by slide, malformed files refused line by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import (
    ImplausibleMppError,
    InvalidValueError,
    MissingFileError,
    PathoaiError,
    StudyError,
)
from pathoai.geometry import Mpp
from pathoai.study.cohort import COLUMNS, Cohort, CohortRow, IncomingSlide, read_incoming

_A, _B, _P = "0" * 16, "1" * 16, "2" * 16
_codes = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=16, max_size=16)
_rows = st.builds(
    CohortRow,
    slide_id=_codes,
    patient_id=_codes | st.just(""),
    centre_id=_codes | st.just(""),
    stain=st.sampled_from(["HE", "Ki67", "p16, double", 'a "b"']),
    mpp=st.none() | st.floats(0.05, 20),
    source_sha256=st.text("0123456789abcdef", max_size=64),
)


@given(rows=st.lists(_rows, max_size=6))
def test_a_cohort_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[CohortRow]
) -> None:
    path = tmp_path_factory.mktemp("cohort") / "cohort.csv"
    cohort = Cohort(rows)
    cohort.write(path)
    assert list(Cohort.read(path)) == list(cohort)


@pytest.mark.parametrize("field", ["slide_id", "patient_id", "centre_id"])
@pytest.mark.parametrize("name", ["DUPONT", "DUPONT_Jeanne_47", "0" * 15])
def test_names_are_refused_where_codes_belong(field: str, name: str) -> None:
    changed: dict[str, Any] = {field: name}
    with pytest.raises(StudyError, match=rf"{field}.*codes only") as raised:
        replace(CohortRow(_A), **changed)
    assert name not in str(raised.value)


def test_a_row_needs_a_slide() -> None:
    with pytest.raises(StudyError):
        CohortRow("")


def test_merging_keeps_what_is_not_stated_anew() -> None:
    known = Cohort([CohortRow(_A, patient_id=_P, stain="Ki67", mpp=0.25), CohortRow(_B)])
    merged = known.merged([CohortRow(_A, stain="", mpp=0.5, centre_id=_P)])
    assert merged[_A] == CohortRow(_A, patient_id=_P, centre_id=_P, stain="Ki67", mpp=0.5)
    assert [row.slide_id for row in merged] == [_A, _B]
    assert next(iter(known)).mpp == 0.25
    assert [row.slide_id for row in merged.without([_A])] == [_B]


def test_a_new_slide_without_a_stain_is_he() -> None:
    assert Cohort().merged([CohortRow(_A, stain="")])[_A].stain == "HE"


def test_an_unknown_slide_is_refused_by_listing_those_there() -> None:
    with pytest.raises(StudyError, match=rf"no such slide.*{_A}"):
        Cohort([CohortRow(_A)])[_B]
    with pytest.raises(StudyError, match="the cohort is empty"):
        Cohort()[_B]
    assert _A in Cohort([CohortRow(_A)])


def test_the_stated_scale() -> None:
    assert CohortRow(_A).stated_mpp is None
    assert CohortRow(_A, mpp=0.25).stated_mpp == Mpp.square(0.25)
    with pytest.raises(ImplausibleMppError):
        CohortRow(_A, mpp=0.00499)


_HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"slide_id,patient_id\n",
        _HEADER.encode() + f"\n{_A},,,HE,abc,\n".encode(),
        _HEADER.encode() + f"\n{_A},,,HE,0.001,\n".encode(),
        _HEADER.encode() + f"\n{_A},,,HE,0.5,,,,,,,,too,many\n".encode(),
        _HEADER.encode() + b"\nDUPONT,,,HE,,\n",
        _HEADER.encode() + b"\n\xe9\xe8,,,HE,,\n",
        _HEADER.encode() + b'\n"' + b"x" * 200_000 + b'",,,HE,,\n',
    ],
)
def test_a_malformed_cohort_gives_our_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(PathoaiError, match=r"cohort\.csv|mpp"):
        Cohort.read(path)


def test_a_users_cohort_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("slide,patient,mpp\na.svs,DUPONT,0.25\nsub/b.svs,,\n", encoding="utf-8-sig")
    assert read_incoming(path) == [
        IncomingSlide(tmp_path / "a.svs", patient="DUPONT", mpp=0.25),
        IncomingSlide(tmp_path / "sub/b.svs"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "other columns"),
        (b"file\na.svs\n", "other columns.*slide .required"),
        (b"slide,name\na.svs,DUPONT\n", "other columns"),
        (b"slide;patient\na.svs;DUPONT\n", "other columns"),
        (b'slide,mpp\na.svs,"0,25"\n', "line 2.*not a number"),
        (b"slide,mpp\na.svs,0.25\n,0.5\n", "line 3.*needs a slide"),
        (b"slide,mpp\na.svs,0.25,3\n", "line 2.*no more cells"),
        (b"slide,patient\na.svs,Jos\xe9\n", "not a CSV file in UTF-8.*CSV UTF-8"),
        (b'slide\n"' + b"x" * 200_000 + b'"\n', "not a CSV file"),
        (b"\xff\xfes\x00l\x00i\x00d\x00e\x00", "UTF-8"),
    ],
)
def test_a_malformed_file_of_the_user_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        read_incoming(path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(MissingFileError):
            read_incoming(path)


def test_blanks_state_nothing_and_identifiers_have_one_spelling(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('slide,patient,block,pair\na.svs,"  ",\u00a0," "\nb.svs,"E\u0301loi  se",,\n')
    assert read_incoming(path) == [
        IncomingSlide(tmp_path / "a.svs"),
        IncomingSlide(tmp_path / "b.svs", patient="\u00c9loi se"),
    ]
    assert IncomingSlide(path, " \t", centre=" ", block="\n", stain=" ") == IncomingSlide(path)


def test_a_line_break_in_an_identifier_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('slide,patient\na.svs,"DUPONT\nMARTIN"\n')
    with pytest.raises(InvalidValueError, match=r"line 3, patient: .*one line") as caught:
        read_incoming(path)
    assert "DUPONT" not in str(caught.value)
    with pytest.raises(InvalidValueError, match=r"identifier of the block: .*one line"):
        IncomingSlide(path, block="A\nB")
