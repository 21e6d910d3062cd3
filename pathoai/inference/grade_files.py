"""All that is kept of a slide's grade, and whether it is all there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import StoreError
from pathoai.inference.attention_map import WeighedTiles, attention_about, write_attention_map
from pathoai.inference.grade_report import report_on_grade
from pathoai.inference.grade_slide import TOP_TILES, SlideGrader, grade_name
from pathoai.inference.predict_slide import prediction_name
from pathoai.inference.report_file import read_report, write_report
from pathoai.inference.slide_grade import ATTENTION, SlideGrade
from pathoai.inference.tile_sheet import draw_tile_sheet
from pathoai.provenance import sha256_of_file
from pathoai.store.label_image import is_label_complete
from pathoai.store.objects import read_objects, write_objects
from pathoai.store.reopen_damaged import reopen_damaged_label
from pathoai.store.slide_store import SlideStore
from pathoai.store.store_lock import locked
from pathoai.study.slide_place import SlidePlace


@dataclass(frozen=True, slots=True)
class GradeFiles:
    """Where the parts lie; the attention map is a label of the store.

    Args:
        slide_id: The slide.
        model: Name of the model.
        table: Of the heaviest tiles, with the grade; written last.
        report: Beside it.
        sheet: A picture of these tiles.
    """

    slide_id: str
    model: str
    table: Path
    report: Path
    sheet: Path

    @classmethod
    def of(cls, place: SlidePlace, model: str) -> GradeFiles:
        """Those of a slide."""
        name = grade_name(model)
        sheet = place.figures_folder / f"{name.replace('/', '.')}-tiles.png"
        table, report = place.objects_path(name), place.report_path(name)
        return cls(place.slide_id, model, table, report, sheet)

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return self.table, self.report, self.sheet

    def finished(self, store: SlideStore, about: dict[str, Any]) -> SlideGrade | None:
        """The grade that lies there, if all of it does and is of the same model and features.

        Args:
            store: The slide's.
            about: What a grade made now would say of itself.
        """
        try:
            source, report = read_objects(self.table).source, read_report(self.report)
        except StoreError:
            # None yet, or a damaged one whose remedy is to make it again.
            return None
        grade = source.pop("grade", None)
        if source != about or report["about"] != about or not self.sheet.is_file():
            return None
        said = attention_about(about, report[ATTENTION]["largest_weight"])
        if not is_label_complete(store.path, prediction_name(self.model), said):
            return None
        return SlideGrade.from_dict(grade) if grade else None

    def write(self, store: SlideStore, grader: SlideGrader) -> SlideGrade:
        """Grade the slide and write all of it.

        Args:
            store: The slide's; it is locked meanwhile.
            grader: The model.

        Raises:
            StoreError: The store has no features of the encoder, or a chunk is damaged.
            ModelError: They are of other weights or other tiles than the model was trained on.
        """
        grade, weights = grader.grade(store)
        features = grader.features(store)
        tiles = WeighedTiles.of(features, weights)
        about = attention_about(grader.about(store), tiles.largest)
        with locked(store.path):
            write_attention_map(store, prediction_name(self.model), about, tiles)
        sheet = draw_tile_sheet(store, features, weights, TOP_TILES)
        self.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(self.sheet, sheet)
        write_report(self.report, report_on_grade(store, grader, grade, tiles))
        write_objects(self.table, grader.top_tiles(store, grade, weights))
        return grade

    def damaged_map(self, store: SlideStore, about: dict[str, Any]) -> dict[str, str]:
        """What is damaged of the attention map that lies there, which is unfinished afterwards.

        Args:
            store: The slide's.
            about: What a grade made now would say of itself.
        """
        try:
            largest = read_report(self.report)[ATTENTION]["largest_weight"]
        except StoreError:
            # Without its report the grade is made again, and the map with it.
            return {}
        return reopen_damaged_label(
            store, prediction_name(self.model), attention_about(about, largest)
        )

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file, by what it is."""
        named = {"objects": self.table, "report": self.report, "figures": self.sheet}
        return {f"{kind}/{self.slide_id}": sha256_of_file(path) for kind, path in named.items()}
