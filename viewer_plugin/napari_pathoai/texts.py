"""What the viewer says, in English and French: napari itself has no translations."""

from __future__ import annotations

import os

LANGUAGE_VARIABLE = "PATHOAI_LANGUAGE"
"""Environment variable that overrides the system's language: ``en`` or ``fr``."""

ENGLISH = {
    "slide": "Slide",
    "tissue": "Tissue",
    "prediction": "Prediction",
    "probability": "Probability",
    "attention": "Attention",
    "annotations": "Annotations",
    "holes": "Holes",
    "points": "Points",
    "no_slide": "no tiled slide",
    "open_study": "Open study…",
    "reader": "Reader {reader}",
    "reader_prompt": "Your reader code (never a name), e.g. R1",
    "class": "Class of the selection, and of what you draw next",
    "decide": "Decide",
    "accept": "Accept",
    "reject": "Reject",
    "next": "Next proposal",
    "draw": "Draw",
    "edit": "Edit outline",
    "move": "Move view",
    "propose": "Propose from prediction in view",
    "opacity": "Opacity",
    "counts": "{proposed} proposed · {validated} validated\n"
    "{corrected} corrected · {rejected} rejected",
    "saved_none": "saved: no edits yet",
    "saved_one": "saved: 1 edit, last at {time}",
    "saved_many": "saved: {edits} edits, last at {time}",
    "in_view": "{shown} of {total} annotations shown: zoom in for the others",
    "proposed_new": "{new} proposals added, {known} were there already",
    "proposed_cut": "{new} proposals added, {known} were there already; "
    "{beyond} more in view: zoom in and propose again",
    "no_proposal": "no proposal is left on this slide",
    "nothing_selected": "select an annotation first",
    "no_prediction": "this slide has no prediction yet: run `pathoai predict`",
    "outline_refused": "not saved, the outline was put back: {reason}",
    "refused": "not saved: {reason}",
    "too_few_points": "an outline needs three points; delete the annotation to remove it",
    "not_an_area": "only areas are annotations here: draw a polygon, rectangle or ellipse",
}

FRENCH = {
    "slide": "Lame",
    "tissue": "Tissu",
    "prediction": "Prédiction",
    "probability": "Probabilité",
    "attention": "Attention",
    "annotations": "Annotations",
    "holes": "Trous",
    "points": "Points",
    "no_slide": "aucune lame tuilée",
    "open_study": "Ouvrir une étude…",
    "reader": "Lecteur {reader}",
    "reader_prompt": "Votre code de lecteur (jamais un nom), p. ex. R1",
    "class": "Classe de la sélection et du prochain tracé",
    "decide": "Décider",
    "accept": "Accepter",
    "reject": "Rejeter",
    "next": "Proposition suivante",
    "draw": "Tracer",
    "edit": "Modifier le contour",
    "move": "Déplacer la vue",
    "propose": "Proposer depuis la prédiction à l'écran",
    "opacity": "Opacité",
    "counts": "{proposed} proposées · {validated} validées\n"
    "{corrected} corrigées · {rejected} rejetées",
    "saved_none": "enregistré : aucune modification",
    "saved_one": "enregistré : 1 modification à {time}",
    "saved_many": "enregistré : {edits} modifications, la dernière à {time}",
    "in_view": "{shown} annotations sur {total} affichées : zoomez pour voir les autres",
    "proposed_new": "{new} propositions ajoutées, {known} existaient déjà",
    "proposed_cut": "{new} propositions ajoutées, {known} existaient déjà ; "
    "{beyond} autres à l'écran : zoomez et recommencez",
    "no_proposal": "plus aucune proposition sur cette lame",
    "nothing_selected": "sélectionnez d'abord une annotation",
    "no_prediction": "pas encore de prédiction pour cette lame : lancez `pathoai predict`",
    "outline_refused": "non enregistré, contour rétabli : {reason}",
    "refused": "non enregistré : {reason}",
    "too_few_points": "un contour a au moins trois points ; supprimez l'annotation pour l'enlever",
    "not_an_area": "seules des surfaces s'annotent ici : polygone, rectangle ou ellipse",
}


def language() -> str:
    """``fr`` or ``en``: the setting where there is one, else the system's language."""
    for variable in (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def text(key: str, **values: object) -> str:
    """A text in the user's language, its fields filled."""
    return (FRENCH if language() == "fr" else ENGLISH)[key].format(**values)
