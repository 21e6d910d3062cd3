"""The window itself: the study, its reader, what is saved."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "no_slide": "no tiled slide",
    "open_study": "Open study…",
    "reader": "Reader {reader}",
    "reader_prompt": "Your reader code (never a name), e.g. R1",
    "counts": "{proposed} proposed · {validated} validated\n"
    "{corrected} corrected · {rejected} rejected",
    "saved_none": "saved: no edits yet",
    "saved_one": "saved: 1 edit, last at {time}",
    "saved_many": "saved: {edits} edits, last at {time}",
    "refused": "not saved: {reason}",
    "keys": "Keys",
    "review_dock": "Review",
    "keys_title": "Keys of the review",
    "close": "Close",
    "tab_annotate": "Annotate",
    "group_annotate": "Annotations",
    "group_classes": "Classes",
    "group_window": "Window",
    "class_number": "Class {number}",
    "hidden_model": "What the model says is hidden here.",
}

FRENCH: dict[str, str] = {
    "no_slide": "aucune lame tuilée",
    "open_study": "Ouvrir une étude…",
    "reader": "Lecteur {reader}",
    "reader_prompt": "Votre code de lecteur (jamais un nom), p. ex. R1",
    "counts": "{proposed} proposées · {validated} validées\n"
    "{corrected} corrigées · {rejected} rejetées",
    "saved_none": "enregistré : aucune modification",
    "saved_one": "enregistré : 1 modification à {time}",
    "saved_many": "enregistré : {edits} modifications, la dernière à {time}",
    "refused": "non enregistré : {reason}",
    "keys": "Touches",
    "review_dock": "Relecture",
    "keys_title": "Touches de la relecture",
    "close": "Fermer",
    "tab_annotate": "Annoter",
    "group_annotate": "Annotations",
    "group_classes": "Classes",
    "group_window": "Fenêtre",
    "class_number": "Classe {number}",
    "hidden_model": "Ce que dit le modèle est masqué ici.",
}
