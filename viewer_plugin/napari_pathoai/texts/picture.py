"""Layers, moving about, and seeing predictions."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "slide": "Slide",
    "tissue": "Tissue",
    "prediction": "Prediction",
    "probability": "Probability",
    "attention": "Attention",
    "opacity": "Opacity",
    "tab_view": "View",
    "group_view": "View",
    "zoom_to": "Zoom to ≈{magnification}×",
    "zoom_preset": "≈{magnification}×",
    "zoom_preset_help": "{um} µm per screen pixel (by custom, 10× is 1 µm per pixel)",
    "zoom_now": "now ≈{magnification}× · {um} µm per screen pixel",
    "minimap": "Small map of the slide",
    "twin": "Other stain beside it",
    "twin_none": "no other stain of this block is tiled",
    "twin_over": "Other stain over it",
    "twin_unregistered": "not registered: the same place is the same place in µm from the corner "
    "of each scan (run pathoai register)",
    "twin_believable": "registered; believable here",
    "twin_refused": "registered, but refused here: do not believe what lies on what",
    "twin_no_tissue": "registered; no tissue here to tell by",
    "ihc_label": "IHC label: {marker}",
    "trust": "Trust in IHC label: {marker}",
    "registration": "Registration: {name}",
    "similarity": "Likeness: {name}",
    "hide_model": "Hide what models say",
    "density": "Density: {model} (full colour: {most} per mm²)",
    "density_hint": "Predicted objects: outlines up to {near} µm per screen pixel, "
    "density from {far} µm on",
}

FRENCH: dict[str, str] = {
    "slide": "Lame",
    "tissue": "Tissu",
    "prediction": "Prédiction",
    "probability": "Probabilité",
    "attention": "Attention",
    "opacity": "Opacité",
    "tab_view": "Vue",
    "group_view": "Vue",
    "zoom_to": "Zoom à ≈{magnification}×",
    "zoom_preset": "≈{magnification}×",
    "zoom_preset_help": "{um} µm par pixel d'écran (par convention, 10× vaut 1 µm par pixel)",
    "zoom_now": "ici ≈{magnification}× · {um} µm par pixel d'écran",
    "minimap": "Petite carte de la lame",
    "twin": "Autre coloration à côté",
    "twin_none": "aucune autre coloration de ce bloc n'est tuilée",
    "twin_over": "Autre coloration par-dessus",
    "twin_unregistered": "non recalée : le même endroit est le même en µm depuis le coin de chaque "
    "lame (lancer pathoai register)",
    "twin_believable": "recalée ; crédible ici",
    "twin_refused": "recalée, mais refusée ici : ne pas croire aux superpositions",
    "twin_no_tissue": "recalée ; pas de tissu ici pour en juger",
    "ihc_label": "Étiquette IHC : {marker}",
    "trust": "Confiance, étiquette IHC : {marker}",
    "registration": "Recalage : {name}",
    "similarity": "Ressemblance : {name}",
    "hide_model": "Masquer ce que disent les modèles",
    "density": "Densité : {model} (pleine couleur : {most} par mm²)",
    "density_hint": "Objets prédits : contours jusqu'à {near} µm par pixel d'écran, "
    "densité à partir de {far} µm",
}
