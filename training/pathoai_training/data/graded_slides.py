"""The slides of a study that have a grade and features, looked at once before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.errors import StudyError
from pathoai.inference.current_features import current_features
from pathoai.provenance import sha256_of_json
from pathoai.store.slide_store import SlideStore, is_complete
from pathoai.study.cohort import CohortRow
from pathoai.study.grade import position_of_grade
from pathoai.study.study import Study
from pathoai.tiling.spec import TileSpec

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class GradedSlide:
    """What one slide offers.

    Args:
        row: Its row in the cohort.
        grade: Position of its class among those that are learnt.
        store: Path of its store.
        identity: Of the store's pixels.
        features_sha256: Hash over its features.
        about: What the features say of their encoder.
        spec: Their tiles.
        tiles: How many.
    """

    row: CohortRow
    grade: int
    store: Path
    identity: str
    features_sha256: str
    about: dict[str, Any]
    spec: TileSpec
    tiles: int

    @property
    def slide_id(self) -> str:
        """Its code."""
        return self.row.slide_id

    @property
    def encoder(self) -> dict[str, Any]:
        """Of its features: what they say, less what is the slide's own."""
        return {k: v for k, v in self.about.items() if k not in ("origin", "store_sha256")}


def graded_slides(
    study: Study, classes: tuple[str, ...], encoder: str
) -> tuple[list[GradedSlide], list[str]]:
    """The slides to learn from, and the codes of those that have a grade but no features.

    Args:
        study: With a column ``grade`` in its cohort.
        classes: From least to most severe.
        encoder: Name of the features.

    Raises:
        OntologyError: The classes are no grades of the study's ontology, or do not rise.
        StudyError: No slide serves, a grade is not among the classes, or features differ in their
            making.
        StoreError: Features were made of other pixels than a store holds now.
    """
    place = position_of_grade(study.ontology, classes)
    rows = [row for row in study.cohort if row.grade]
    _check_grades(rows, place, classes)
    found, without = [], []
    for row in rows:
        path = study.store_path(row.slide_id)
        store = SlideStore(path) if is_complete(path) else None
        if store is None or encoder not in store.feature_names:
            without.append(row.slide_id)
        else:
            found.append(_graded(row, place[row.grade], store, encoder))
    if not found:
        raise StudyError(
            "no slide has both a grade and features of the encoder",
            where=encoder,
            found=f"{len(rows)} slides with a grade, 0 of them with features",
            remedy="enter grades with `pathoai cohort import STUDY TABLE`"
            if not rows
            else f"make them with `pathoai features STUDY --encoder {encoder}`, or learn from "
            "those of another: --set data.encoder=KEY",
        )
    _check_same_making(found, encoder)
    return found, without


def _graded(row: CohortRow, grade: int, store: SlideStore, encoder: str) -> GradedSlide:
    features = current_features(store, encoder)
    return GradedSlide(
        row,
        grade,
        store.path,
        store.identity,
        sha256_of_json(features.shards),
        features.about,
        features.spec,
        len(features),
    )


def _check_grades(rows: list[CohortRow], place: dict[str, int], classes: tuple[str, ...]) -> None:
    strange = sorted({row.grade for row in rows} - set(place))
    if strange:
        raise StudyError(
            "slides have a grade that none of the classes stands for",
            where="cohort.csv, column grade",
            found=", ".join(strange),
            allowed=", ".join(place),
            remedy=f"correct the grades, or the classes of the recipe: {', '.join(classes)}",
        )


def _check_same_making(slides: list[GradedSlide], encoder: str) -> None:
    """Features of other weights or tiles are other numbers under the same name."""
    groups: dict[str, list[str]] = {}
    for slide in slides:
        key = sha256_of_json({"encoder": slide.encoder, "tiles": slide.spec.key})
        groups.setdefault(key, []).append(slide.slide_id)
    if len(groups) > 1:
        rare = min(groups.values(), key=len)
        raise StudyError(
            "features of one name were made with different weights or tiles",
            where=encoder,
            found=f"{len(groups)} kinds; the rarest in {', '.join(rare[:_SHOWN])}"
            + (", …" if len(rare) > _SHOWN else ""),
            remedy=f"make all of them anew with `pathoai features STUDY --encoder {encoder}`",
        )
