from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathoai_annotations.package.check_catalogue import check_catalogue


def _said(package: Path) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in check_catalogue(package)]


def test_a_sound_package_has_no_finding(package: Path) -> None:
    assert _said(package) == []


@pytest.mark.parametrize(
    ("name", "listed", "key", "prefix"),
    [
        ("croissant.json", "distribution", "sha256", ""),
        ("datapackage.json", "resources", "hash", "sha256:"),
    ],
)
def test_another_hash_and_a_file_that_is_not_there_are_told(
    package: Path, name: str, listed: str, key: str, prefix: str
) -> None:
    path = package / "data" / name
    document = json.loads(path.read_text("utf8"))
    document[listed][0][key] = prefix + "0" * 64
    where = "contentUrl" if key == "sha256" else "path"
    file = document[listed][0][where]
    document[listed][1][where] = "tables/none.csv"
    path.write_text(json.dumps(document), "utf8")
    assert set(_said(package)) == {
        (f"data/{name}", f"states another hash of {file} than the bag's manifest"),
        (f"data/{name}", "describes a file that is not in the package"),
    }


@pytest.mark.parametrize("text", ["", "[]", '{"distribution": 3, "resources": [{}]}'])
def test_a_damaged_description_is_told(package: Path, text: str) -> None:
    for name in ("croissant.json", "datapackage.json"):
        (package / "data" / name).write_text(text, "utf8")
    assert {what for _, what in _said(package)} == {"the description cannot be read"}
