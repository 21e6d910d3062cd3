"""The provenance record of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pathoai.provenance import ProvenanceRecord, sha256_of_json, utc_now
from pathoai.study.cohort import CohortRow
from pathoai.study.study import Study

if TYPE_CHECKING:  # zarr is heavy, and needed only once a command runs
    from pathoai.store.label_image import LabelImage


def record_labels(
    study: Study,
    row: CohortRow,
    labels: Sequence[LabelImage],
    started: str,
    *,
    rest_on: Mapping[str, str] | None = None,
) -> None:
    """Write down what labels of a slide were made from, and what they hold.

    Args:
        study: Keeps the record.
        row: The slide.
        labels: Made together; the first names them.
        started: When, ISO 8601.
        rest_on: Hashes of what they rest on besides the slide's store.
    """
    label = labels[0]
    ProvenanceRecord(
        "label",
        {"label": label.name, "about": label.about},
        {f"store/{row.slide_id}": label.about["store_sha256"], **(rest_on or {})},
        {f"label/{row.slide_id}/{one.name}": sha256_of_json(one.shards) for one in labels},
        started,
        utc_now(),
    ).write(study.provenance_path)
