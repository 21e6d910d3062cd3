"""Asking a model, and improving it."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "tab_model": "Model",
    "model_none": "This study has no model yet.",
    "model_other": "Other bundle…",
    "model_card": "{task}, {mpp:g} µm per pixel\n{classes}\nLicence: {licence}\n{use}",
    "model_no_use": "Its card states no intended use.",
    "predict_view": "Predict what I see",
    "predict_slide": "Predict the slide",
    "predict_cancel": "Cancel",
    "predicting": "predicting…",
    "predict_cancelled": "cancelled; nothing was kept",
    "predict_slide_cancelled": "cancelled; the same button goes on from there",
    "predicted_part": "objects found: {found}, new proposals: {new}; a doctor decides",
    "predicted_part_cut": "objects found: {found}, new proposals: {new}, left out: {beyond}; "
    "a doctor decides",
    "part_layer": "Predicted here: {model}",
    "improve": "Improve the model",
    "improve_none": "No region was read and accepted or corrected yet.",
    "improve_refresh": "Gather what was read",
    "improve_said": "Regions read to the end: {regions}, on slides: {slides}",
    "improve_class": "{name}: {count:,}",
    "improve_slide": "{slide}: regions {regions}, annotations {count:,}",
    "improve_undecided": "Not judged or not signed off in them, so unknown: {count:,}",
    "improve_run": "Run these two, one after the other:",
    "copy": "Copy",
    "copied": "copied",
}

FRENCH: dict[str, str] = {
    "tab_model": "Modèle",
    "model_none": "Cette étude n'a pas encore de modèle.",
    "model_other": "Autre modèle…",
    "model_card": "{task}, {mpp:g} µm par pixel\n{classes}\nLicence : {licence}\n{use}",
    "model_no_use": "Sa fiche n'indique pas d'usage prévu.",
    "predict_view": "Prédire ce que je vois",
    "predict_slide": "Prédire la lame",
    "predict_cancel": "Annuler",
    "predicting": "prédiction en cours…",
    "predict_cancelled": "annulé ; rien n'a été gardé",
    "predict_slide_cancelled": "annulé ; le même bouton reprend à cet endroit",
    "predicted_part": "objets : {found}, nouvelles propositions : {new} ; un médecin décide",
    "predicted_part_cut": "objets : {found}, nouvelles propositions : {new}, omis : {beyond} ; "
    "un médecin décide",
    "part_layer": "Prédit ici : {model}",
    "improve": "Améliorer le modèle",
    "improve_none": "Aucune région lue n'a encore été acceptée ou corrigée.",
    "improve_refresh": "Rassembler ce qui a été lu",
    "improve_said": "Régions lues en entier : {regions}, lames : {slides}",
    "improve_class": "{name} : {count:,}",
    "improve_slide": "{slide} : régions {regions}, annotations {count:,}",
    "improve_undecided": "Non jugés ou non signés, donc inconnus : {count:,}",
    "improve_run": "Lancez ces deux lignes, l'une après l'autre :",
    "copy": "Copier",
    "copied": "copié",
}
