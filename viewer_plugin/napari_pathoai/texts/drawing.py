"""Annotations and the tools that draw them."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "annotations": "Annotations",
    "holes": "Holes",
    "points": "Points",
    "class": "Class of the selection, and of what you draw next",
    "draw": "Draw",
    "edit": "Edit outline",
    "move": "Move view",
    "outline_refused": "not saved, the outline was put back: {reason}",
    "too_few_points": "an outline needs three points; delete the annotation to remove it",
    "not_an_area": "only areas are annotations here: draw a polygon, rectangle or ellipse",
    "in_view": "{shown} of {total} annotations shown: zoom in for the others",
}

FRENCH: dict[str, str] = {
    "annotations": "Annotations",
    "holes": "Trous",
    "points": "Points",
    "class": "Classe de la sélection et du prochain tracé",
    "draw": "Tracer",
    "edit": "Modifier le contour",
    "move": "Déplacer la vue",
    "outline_refused": "non enregistré, contour rétabli : {reason}",
    "too_few_points": "un contour a au moins trois points ; supprimez l'annotation pour l'enlever",
    "not_an_area": "seules des surfaces s'annotent ici : polygone, rectangle ou ellipse",
    "in_view": "{shown} annotations sur {total} affichées : zoomez pour voir les autres",
}
