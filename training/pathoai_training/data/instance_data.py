"""Labelled stores whose objects are numbered."""

from __future__ import annotations

from pathoai.errors import StudyError
from pathoai_training.data.data_module import StoreDataModule
from pathoai_training.data.instance_tiles_dataset import InstanceTilesDataset


class InstanceDataModule(StoreDataModule):
    """Tiles of a study's stores with numbered objects; takes what its parent takes."""

    def dataset(self, subset: str) -> InstanceTilesDataset:
        """The tiles of a subset, without augmentation."""
        return InstanceTilesDataset(*self._of(subset))

    def setup(self, stage: str | None = None) -> None:
        """As its parent; the label must number its objects.

        Raises:
            StudyError: It does not, besides what its parent refuses.
        """
        super().setup(stage)
        for slide in self.slides:
            _, label = slide.source.open()
            if not (label.with_instances or label.about.get("objects_apart")):
                raise StudyError(
                    "the label tells classes but not objects: neighbours that touch are one",
                    where=f"{slide.slide_id} {self.label}",
                    remedy="make it from outlines with `pathoai label --method annotations`",
                )
