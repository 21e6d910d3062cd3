"""Where what is made of one slide lies: in a study, or beside a store that stands alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathoai.ontology import Ontology


@dataclass(frozen=True, slots=True)
class SlidePlace:
    """The store of a slide, and where its tables, reports and records go.

    Args:
        slide_id: Code of the slide.
        store_path: Where the store lies or will lie.
        objects_folder: Of the tables of objects, and of the reports on predictions.
        figures_folder: Of figures drawn of the slide.
        no_tissue_path: Where the thumbnail goes if no tissue is found.
        provenance_path: The folder of provenance records.
        ontology: The classes.
        study_path: The study's folder; None for a store that stands alone.
    """

    slide_id: str
    store_path: Path
    objects_folder: Path
    figures_folder: Path
    no_tissue_path: Path
    provenance_path: Path
    ontology: Ontology
    study_path: Path | None = None

    @classmethod
    def beside(cls, store_path: Path, slide_id: str, ontology: Ontology) -> SlidePlace:
        """Of a store without a study: all else goes into ``<name>.results`` beside ``<name>.zarr``.

        Args:
            store_path: Of the store.
            slide_id: Code of the slide.
            ontology: The classes.
        """
        folder = store_path.with_suffix(".results")
        return cls(
            slide_id,
            store_path,
            folder,
            folder / "figures",
            folder / "no-tissue.png",
            folder / "provenance",
            ontology,
        )

    def objects_path(self, label_name: str) -> Path:
        """Where the objects (GeoParquet) of a label lie or will lie."""
        return self.objects_folder / table_name(label_name)

    def report_path(self, label_name: str) -> Path:
        """Where the report (JSON) on a prediction lies or will lie."""
        return self.objects_path(label_name).with_suffix(".json")

    def seal_path(self, label_name: str) -> Path:
        """Where the hashes of a label's tables and report lie or will lie."""
        return self.objects_path(label_name).with_suffix(".seal")


def table_name(label_name: str) -> str:
    """The file of the objects of a label, e.g. ``prediction.nuclei.parquet``."""
    return f"{label_name.replace('/', '.')}.parquet"
