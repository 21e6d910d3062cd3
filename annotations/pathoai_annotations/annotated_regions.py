"""The journal's annotations as regions that a model names: e.g. every nucleus, whoever found it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import shapely
from numpy.typing import NDArray

from pathoai.inference.regions import Regions
from pathoai.models.bundle import ModelBundle
from pathoai.ontology import Ontology
from pathoai.provenance import sha256_of_json
from pathoai.store.slide_store import SlideStore
from pathoai.study.slide_place import SlidePlace
from pathoai.study.study import Study
from pathoai_annotations.annotation import Status
from pathoai_annotations.journal.journal import Journal

OTHER_CLASS = "of other classes"
_ADMITTED = frozenset(Status) - {Status.REJECTED}


def annotated_regions(place: SlidePlace, store: SlideStore, bundle: ModelBundle) -> Regions:
    """All annotations of a slide whose class is a kind of what the model tells apart.

    Of a model that tells lymphocytes from stromal nuclei these are all nuclei: the parents of its
    classes, and all below them. Proposals count, rejected annotations do not. An outline that the
    journal holds twice, e.g. as a nucleus and as the model's own proposal of its class, is one
    region.

    Args:
        place: Of a study, which has the journal.
        store: The slide's.
        bundle: Its classes.

    Raises:
        OntologyError: The study's ontology lacks a class of the model.
        AnnotationError: The journal cannot be read.
    """
    assert place.study_path is not None  # find_regions refuses a slide without a study
    study = Study(place.study_path)
    kinds = _kinds(study.ontology, bundle.classes)
    source = f"annotations of the journal, of class {' or '.join(kinds)} or a kind of it"
    if not study.has_journal:
        # Opening one would make it: a trace of a question.
        return Regions(np.empty(0, object), {"source": source, "sha256": sha256_of_json([])})
    with Journal.open(study) as journal:
        columns = journal.columns(store.slide_id, status=_ADMITTED)
    is_kind = _is_kind(columns.labels, study.ontology, kinds)
    first = {wkb: at for at, wkb in reversed(list(enumerate(columns.outlines))) if is_kind[at]}
    chosen = np.array(sorted(first.values()), np.int64)
    outlines = columns.outlines[chosen]
    return Regions(
        np.asarray(shapely.from_wkb(outlines), object).reshape(-1),
        {"source": source, "sha256": sha256_of_json(sorted(wkb.hex() for wkb in outlines))},
        ids=columns.ids[chosen],
        left_out=Counter({OTHER_CLASS: int((~is_kind).sum())}),
    )


def _kinds(ontology: Ontology, classes: tuple[str, ...]) -> tuple[str, ...]:
    """What the classes are kinds of: their parents, or themselves where they have none."""
    return tuple(dict.fromkeys(ontology[key].parent or key for key in classes))


def _is_kind(
    labels: NDArray[np.object_], ontology: Ontology, kinds: tuple[str, ...]
) -> NDArray[np.bool_]:
    position = ontology.roll_up(kinds)
    keys, which = np.unique(labels.astype(str), return_inverse=True)
    known = [position[ontology[str(key)].index] > 0 for key in keys]
    return np.array([*known, False], bool)[which] if len(which) else np.empty(0, bool)
