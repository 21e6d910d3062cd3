"""``pathoai label --marker``: labels from restained slides, for every pair of the cohort."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from pathoai.cluster.work_item import Done, WorkItem
from pathoai.errors import StudyError
from pathoai.progress import Advance
from pathoai.provenance import utc_now
from pathoai.study.cohort import CohortRow
from pathoai.study.pairs import SlidePair, sound_pairs
from pathoai.study.stain import is_routine
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
        StudyError: No pair shows it, or the only one is no pair, or has two twins that do.
        CohortError: Some of several pairs failed; the others are done.
    """
    from pathoai.cli.each_slide import Execution, run_items
    from pathoai.ihc.recipe import load_recipe

    recipe = load_recipe(options.recipe or options.marker)
    pairs, faults = _pairs_of_marker(study, options, recipe)

    def item_of(pair: SlidePair) -> WorkItem:
        def work(row: CohortRow, _: int | None, advance: Advance) -> Done:
            return Done(_label(study, options, pair, recipe, advance))

        return WorkItem(pair.fixed.slide_id, work, pair.fixed)

    items = {slide_id: partial(item_of, pair) for slide_id, pair in pairs.items()}
    items |= {f"pair {term}": partial(_refuse, fault) for term, fault in faults.items()}
    run_items(items, f"labelling {recipe.key}", Execution())


def _pairs_of_marker(
    study: Study, options: Namespace, recipe: MarkerRecipe
) -> tuple[dict[str, SlidePair], dict[str, StudyError]]:
    """The pairs of the cohort that show the marker, by the code of their H&E slide.

    Beside them what is wrong with others that show it, by their terms: it does not stop the rest.
    """
    pairs, unsound = sound_pairs(study.cohort, options.slides)

    def shows(marker: str) -> bool:
        return recipe.is_of(marker) or marker == options.marker

    restained = [row for row in study.cohort if not is_routine(row.stain)]
    showing = [row for row in restained if shows(row.marker or row.stain)]
    faults = {row.pair: unsound[row.pair] for row in showing if row.pair in unsound}
    found: dict[str, SlidePair] = {}
    for pair in (pair for pair in pairs if shows(pair.marker)):
        if pair.fixed.slide_id in found:
            faults[pair.fixed.pair] = _two_of_one(pair, recipe)
        found[pair.fixed.slide_id] = pair
    if not pairs:
        faults = unsound  # nothing was restained: what is wrong is the pairs, not the marker
    if not found and not faults:
        raise StudyError(
            "no pair of the cohort shows this marker",
            where="cohort.csv, column marker",
            found=options.marker,
            allowed=", ".join(sorted({pair.marker for pair in pairs})),
        )
    return {code: pair for code, pair in found.items() if pair.fixed.pair not in faults}, faults


def _two_of_one(pair: SlidePair, recipe: MarkerRecipe) -> StudyError:
    return StudyError(
        "two slides were restained for one marker, and a label has one source",
        where=f"cohort.csv, pair {pair.fixed.pair}",
        found=recipe.key,
        remedy="name one of the two by --slides",
    )


def _refuse(fault: StudyError) -> WorkItem:
    raise fault


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
