"""Features one by one: the same as when the whole text is decoded at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathoai.errors import AnnotationError
from pathoai_annotations.formats.json_features import FeatureFile

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text().filter(lambda name: name not in ("type", "features"))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(values, max_size=4),
    st.dictionaries(names, values, max_size=2),
    st.dictionaries(names, values, max_size=2),
    st.sampled_from([None, 0, 2]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_collection_is_what_json_says_it_is(
    tmp_path_factory: pytest.TempPathFactory,
    features: list[object],
    before: dict[str, object],
    after: dict[str, object],
    indent: int | None,
    encoding: str,
) -> None:
    after = {name: value for name, value in after.items() if name not in before}
    whole = before | {"type": "FeatureCollection", "features": features} | after
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(whole, indent=indent), encoding)
    file = FeatureFile(path)
    assert {k: v for k, v in file.members.items() if k != "type"} == before
    assert list(file.features()) == features
    assert file.members == {k: v for k, v in whole.items() if k != "features"}


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "FeatureCollection", "features": [',
        '{"type": "FeatureCollection", "features": []',
        '{"type": "FeatureCollection", "features": [{}',
        '{"type": "FeatureCollection", "features": [{} {}]}',
        '{"type": "FeatureCollection", "features": {}}',
        '{"type": "FeatureCollection"}',
        '{"type": "Topology", "features": []}',
        '{"features": []}',
        '{"type": "Polygon"}',
        '{"type" "Feature"}',
        "[{}",
        '{"features": [], "features": [{}], "type": "FeatureCollection"}',
        '{"type": "FeatureCollection", "features": [], "features": [{}]}',
        '{"type": "FeatureCollection", "features": [], "type": "FeatureCollection"}',
        '{"type": "FeatureCollection", "features": [{"id": 1, "id": 2}]}',
        '{"type": "Feature", "id": 1, "id": 2}',
        '{"type": "FeatureCollection", "features": []} {"type": "FeatureCollection"}',
        '{"type": "Feature"} {"type": "Feature"}',
        "[{}] [{}]",
        "[{},]",
        '{1: 2, "type": "Feature"}',
        f"[{'[' * 200}{']' * 200}]",
        '[{"id": "\\ud800"}]',
        "7",
        "{",
        " ",
    ],
)
def test_a_text_that_ends_too_early_or_is_something_else_is_refused(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"a\.json: not a GeoJSON file"):
        list(FeatureFile(path).features())
