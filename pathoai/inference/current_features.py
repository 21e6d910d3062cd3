"""Features of a store, if they are those of its pixels as they are now."""

from __future__ import annotations

from pathoai.errors import StoreError
from pathoai.store.features import SlideFeatures
from pathoai.store.slide_store import SlideStore


def current_features(store: SlideStore, encoder: str) -> SlideFeatures:
    """The features that an encoder gave of a slide.

    Args:
        store: The slide's.
        encoder: Its key.

    Raises:
        StoreError: There are none, they are not complete, or the store was made anew since.
    """
    features = store.features(encoder)
    if features.about.get("store_sha256", store.identity) != store.identity:
        raise StoreError(
            "the features were made of other pixels than the store holds now",
            where=f"{store.slide_id} {encoder}",
            remedy=f"run `pathoai features STUDY --encoder {encoder}`",
        )
    return features
