"""The model that is held against readers: which of its predictions may count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pathoai.models.bundle import ModelBundle, read_bundle
from pathoai.study.study import Study


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model, and what its bundle tells of it.

    Args:
        name: Its name; empty where no model is asked.
        sha256: Identity of the bundle of that name in the study; empty where there is none, so
            that nothing can be told of it.
        known_slides: Slides that it learnt from, or was chosen or calibrated on, and all others of
            their patients. What it says of these is no evidence of how it does on new ones.
    """

    name: str = ""
    sha256: str = ""
    known_slides: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, study: Study, name: str) -> AskedModel:
        """Look for its bundle in the study.

        Raises:
            ModelError: There is a bundle, and it is malformed.
        """
        if not name or not (study.model_path(name) / "bundle.json").is_file():
            return cls(name)
        bundle = read_bundle(study.model_path(name))
        return cls(name, bundle.identity, _known_slides(study, bundle))

    def made(self, source: Mapping[str, Any]) -> bool:
        """Whether a prediction is by the model as it is now.

        Args:
            source: What the prediction says of itself.
        """
        return not self.sha256 or source.get("model_sha256") == self.sha256

    @property
    def words(self) -> str:
        """What is known of its training, in one sentence."""
        if self.sha256:
            return (
                "Slides of patients from whom the model learnt, or on whom it was chosen or "
                f"calibrated, do not count for it: {len(self.known_slides)} of the study."
            )
        return (
            "The study does not hold the model's bundle, so nobody can tell whether it learnt from "
            "these very slides: then it would agree better than on new ones."
        )


def _known_slides(study: Study, bundle: ModelBundle) -> frozenset[str]:
    training = bundle.training
    listed = training.get("split", {}).get("learnt_from")
    if listed is None:
        # A bundle from before this was noted: any of its slides may have served.
        listed = [str(one["slide_id"]) for one in training.get("slides", ())]
    known = set(listed)
    patients = {row.patient_id for row in study.cohort if row.slide_id in known} - {""}
    return frozenset(known | {r.slide_id for r in study.cohort if r.patient_id in patients})
