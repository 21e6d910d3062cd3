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
    "busy": "another program holds the journal: nothing was changed, nothing is lost; do it again",
    "busy_kept": "another program holds the journal: not saved yet, nothing is lost; Enter saves "
    "what you drew",
    "busy_stays": "what you drew is not saved yet, another program holds the journal: Enter saves "
    "it, then go on",
    "busy_closing": "not closed: what you drew is not saved yet, another program holds the "
    "journal; Enter saves it; close again to give it up",
    "unsaved": "Not saved yet",
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
    "busy": "un autre programme tient le journal : rien n'est changé ni perdu ; recommencez",
    "busy_kept": "un autre programme tient le journal : pas encore enregistré, rien n'est perdu ; "
    "Entrée enregistre votre tracé",
    "busy_stays": "votre tracé n'est pas encore enregistré, un autre programme tient le journal : "
    "Entrée l'enregistre, puis continuez",
    "busy_closing": "pas fermé : votre tracé n'est pas encore enregistré, un autre programme tient "
    "le journal ; Entrée l'enregistre ; fermez à nouveau pour l'abandonner",
    "unsaved": "Pas encore enregistré",
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
