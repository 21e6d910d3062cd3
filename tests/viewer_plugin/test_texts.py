from __future__ import annotations

from string import Formatter

import pytest

from napari_pathoai.texts import texts
from napari_pathoai.texts.texts import ENGLISH, FRENCH, language, text


def fields(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_both_languages_say_the_same_things() -> None:
    assert set(ENGLISH) == set(FRENCH)
    assert {k: fields(v) for k, v in ENGLISH.items()} == {k: fields(v) for k, v in FRENCH.items()}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PATHOAI_LANGUAGE": "fr"}, "fr"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "PATHOAI_LANGUAGE": "en"}, "en"),
        ({"LC_ALL": "C", "LANG": "fr_FR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_setting_precedes_the_system(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("PATHOAI_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_fields_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHOAI_LANGUAGE", "fr")
    assert text("saved_many", edits=3, time="10:00:00").startswith("enregistré : 3")


def test_no_word_is_defined_in_two_areas() -> None:
    keys = [key for area in texts.AREAS for key in area.ENGLISH]
    assert sorted(keys) == sorted(set(keys))
