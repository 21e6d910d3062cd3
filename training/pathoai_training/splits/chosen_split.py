"""From the word after ``--split`` to the subsets of a study's slides, checked for leaks."""

from __future__ import annotations

from collections.abc import Sequence

from pathoai.errors import InvalidValueError, LeakError
from pathoai.study.study import Study
from pathoai_training.splits.cohort_leak import check_slides_apart, pixel_hashes
from pathoai_training.splits.split import SUBSETS, Split, SplitKind, split_by_patient
from pathoai_training.splits.written_split import WrittenSplit, read_split


def split_of_slides(study: Study, choice: str, slide_ids: Sequence[str], *, seed: int) -> Split:
    """The subsets of slides that have something to learn from.

    Args:
        study: Theirs.
        choice: ``patient``, or the name of a written split, perhaps with a fold: ``main/3``.
        slide_ids: The slides. Those that a written split does not know are in no subset.
        seed: Of the split by patient.

    Raises:
        StudyError: No such split, or it was altered.
        InvalidValueError: No such fold.
        LeakError: Too few patients; or two subsets share a patient, a block, or the same slide.
    """
    cohort = study.cohort
    rows = [cohort[slide_id] for slide_id in slide_ids]
    if choice == SplitKind.PATIENT:
        split = split_by_patient(rows, seed=seed)
    else:
        name, fold = parse_choice(choice)
        split = fold_of(read_split(study, name), fold, slide_ids)
    subset_of_slide = split.subset_of_slide()
    check_slides_apart(rows, subset_of_slide, pixel_hashes(study, rows))
    return split


def parse_choice(choice: str) -> tuple[str, int]:
    """Name and fold of a written split, from ``NAME`` or ``NAME/FOLD``.

    Raises:
        InvalidValueError: What follows the name is no number.
    """
    name, slash, fold = choice.partition("/")
    if slash and not fold.isdecimal():
        raise InvalidValueError("--split", found=repr(choice), allowed="NAME or NAME/FOLD")
    return name, int(fold) if slash else 1


def fold_of(written: WrittenSplit, fold: int, slide_ids: Sequence[str]) -> Split:
    """A fold of a written split, of the slides that are there.

    Raises:
        InvalidValueError: No such fold.
        LeakError: Training or validation holds none of the slides.
    """
    subsets = written.subset_of_slide(fold)
    groups = dict(zip(written.slide_ids, written.groups, strict=True))
    used = sorted(i for i in slide_ids if subsets.get(i) in SUBSETS)
    for subset in ("train", "validation"):
        if not any(subsets[i] == subset for i in used):
            raise LeakError(
                f"no slide with a label is in {subset}",
                where=f"split {written.name}, fold {fold}",
                found=f"{len(used)} of {len(slide_ids)} labelled slides are in the split",
                remedy="label slides of each subset; `pathoai split` lists them",
            )
    return Split(
        SplitKind.WRITTEN,
        written.plan.seed,
        tuple(used),
        tuple(subsets[i] for i in used),
        groups=tuple(str(groups[i]) for i in used),
        name=written.name,
        fold=fold,
        written_sha256=written.sha256,
    )
