"""``pathoai label --marker``: labels from restained slides, for every pair of the cohort."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from pathoai.errors import StudyError
from pathoai.progress import Advance
from pathoai.provenance import utc_now
from pathoai.study.pairs import SlidePair, pairs_of
from pathoai.study.study import Study
from pathoai_annotations.commands.label_record import record_labels

if TYPE_CHECKING:  # heavy, and needed only once the command runs
    from pathoai.ihc.recipe import MarkerRecipe


def label_pairs(study: Study, options: Namespace) -> None:
    """Label the H&E slide of every pair that shows the marker, and print how much of it is known.

    Args:
        study: The study.
        options: ``marker``, ``recipe``, ``slides`` and ``device``.

    Raises:
        RecipeError: There is no recipe for the marker, or it is malformed.
        StudyError: No pair shows it, two of one H&E slide do, or the only one is not registered.
        CohortError: Some of several pairs failed; the others are done.
    """
    from pathoai.cli.each_slide import for_each_slide
    from pathoai.ihc.recipe import load_recipe

    recipe = load_recipe(options.recipe or options.marker)
    pairs = _pairs_of_marker(study, options, recipe)
    for_each_slide(
        [pair.fixed for pair in pairs.values()],
        f"labelling {recipe.key}",
        lambda row, advance: _label(study, options, pairs[row.slide_id], recipe, advance),
    )


def _pairs_of_marker(
    study: Study, options: Namespace, recipe: MarkerRecipe
) -> dict[str, SlidePair]:
    """The pairs of the cohort that show the marker, by the code of their H&E slide."""
    found: dict[str, SlidePair] = {}
    pairs = pairs_of(study.cohort, options.slides)
    for pair in pairs:
        if not (recipe.is_of(pair.marker) or pair.marker == options.marker):
            continue
        if pair.fixed.slide_id in found:
            raise StudyError(
                "two slides were restained for one marker, and a label has one source",
                where=f"cohort.csv, pair {pair.fixed.pair}",
                found=recipe.key,
                remedy="name one of the two by --slides",
            )
        found[pair.fixed.slide_id] = pair
    if not found:
        raise StudyError(
            "no pair of the cohort shows this marker",
            where="cohort.csv, column marker",
            found=options.marker,
            allowed=", ".join(sorted({pair.marker for pair in pairs})),
        )
    return found


def _label(
    study: Study, options: Namespace, pair: SlidePair, recipe: MarkerRecipe, advance: Advance
) -> str:
    from pathoai.ihc.label_words import label_words
    from pathoai.ihc.marked_pair import MarkedPair
    from pathoai.ihc.write_labels import label_marker
    from pathoai.preprocess.device import choose_device
    from pathoai.registration.saved_registration import Registration
    from pathoai.store.slide_store import SlideStore

    started = utc_now()
    registration = Registration.load(
        study.registration_path(pair.fixed.slide_id, pair.moving.slide_id)
    )
    store = SlideStore(study.store_path(pair.fixed.slide_id))
    moving = SlideStore(study.store_path(pair.moving.slide_id))
    seen = MarkedPair.seen(store, moving, registration, recipe, study.ontology)
    label = label_marker(seen, device=choose_device(options.device), advance=advance)
    restained = {
        f"store/{pair.moving.slide_id}": label.about["restained_sha256"],
        f"registration/{pair.name}": label.about["registration_sha256"],
    }
    both = (label, store.label(recipe.trust_label))
    record_labels(study, pair.fixed, both, started, rest_on=restained)
    return label_words(store, recipe)
