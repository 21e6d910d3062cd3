"""Layers and the view."""

from __future__ import annotations

ENGLISH: dict[str, str] = {
    "slide": "Slide",
    "tissue": "Tissue",
    "prediction": "Prediction",
    "probability": "Probability",
    "attention": "Attention",
    "opacity": "Opacity",
}

FRENCH: dict[str, str] = {
    "slide": "Lame",
    "tissue": "Tissu",
    "prediction": "Prédiction",
    "probability": "Probabilité",
    "attention": "Attention",
    "opacity": "Opacité",
}
