"""What a finished label says of itself in one line."""

from __future__ import annotations

import numpy as np

from pathoai.ihc.recipe import MarkerRecipe
from pathoai.ihc.trust import TRUST_CLASSES, Trust
from pathoai.ontology import NOT_ASSESSED
from pathoai.store.slide_store import SlideStore

_LEVEL = 2


def label_words(store: SlideStore, recipe: MarkerRecipe) -> str:
    """How much of the tissue is trusted, why the rest is not, and how much of it is positive.

    Args:
        store: The H&E slide, labelled.
        recipe: Of the marker.
    """
    label, trust = store.label(recipe.label), store.label(recipe.trust_label)
    level = min(_LEVEL, len(label.factors) - 1)
    counts = np.bincount(trust.read_all(level).ravel(), minlength=NOT_ASSESSED + 1)
    values = np.bincount(label.read_all(level).ravel(), minlength=NOT_ASSESSED + 1)
    tissue = max(1, int(counts[:NOT_ASSESSED].sum()))
    known = max(1, int(values[:NOT_ASSESSED].sum()))
    positive = ", ".join(
        f"{values[index] / known:.1%} {key.replace('_', ' ')}"
        for key, index in label.classes.items()
    )
    reasons = ", ".join(
        f"{counts[c.index] / tissue:.1%} {c.name.lower()}"
        for c in TRUST_CLASSES
        if c.index != Trust.TRUSTED and counts[c.index]
    )
    trusted = f"{counts[Trust.TRUSTED] / tissue:.0%} of the tissue is trusted"
    return f"label {label.name}: {trusted}, of it {positive}; else {reasons or 'nothing'}"
