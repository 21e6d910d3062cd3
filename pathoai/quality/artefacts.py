"""What can be wrong with a slide, as classes of a label."""

from __future__ import annotations

from pathoai.ontology import LabelClass

LABEL = "quality/artefacts"

PEN = LabelClass(1, "pen", "Pen", "Feutre", "#0072b2")
FOLD = LabelClass(2, "fold", "Tissue fold", "Pli", "#e69f00")
BLUR = LabelClass(3, "blur", "Out of focus", "Flou", "#cc79a7")
AIR_BUBBLE = LabelClass(4, "air_bubble", "Air bubble", "Bulle d'air", "#56b4e9")
BLOOD = LabelClass(5, "blood", "Blood", "Sang", "#d55e00")
GLASS_EDGE = LabelClass(6, "glass_edge", "Edge of the glass", "Bord de lame", "#000000")

ARTEFACTS = (PEN, FOLD, BLUR, AIR_BUBBLE, BLOOD, GLASS_EDGE)
CLEAN = 0
"""Value of the class map where nothing is wrong; `pathoai.ontology.NOT_ASSESSED` off tissue."""
