"""A split that was written once: a file whose hash the study sheet vouches for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, LeakError, MissingFileError, PathoaiError, StudyError
from pathoai.provenance import sha256_of_json
from pathoai.study.seals import seal, seals, sheet_locked
from pathoai.study.study import Study
from pathoai_training.splits.split_plan import SplitPlan

LEFT_OUT = "left out"
"""Subset of slides that serve nothing in a fold: linked to its test, but of another centre."""
WRITTEN_SUBSETS = ("train", "validation", "test", LEFT_OUT)
_FORMAT = "pathoai split 1"
_TABLE = "splits"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TAKEN = ("patient", "area", "openings")


@dataclass(frozen=True, slots=True)
class WrittenSplit:
    """Slides, groups and subsets, in columns.

    Args:
        name: Lower case, digits and hyphens.
        plan: What was asked for.
        slide_ids: The slides, sorted.
        groups: Number of each slide's group; no two groups are linked.
        fold_names: ``1``, ``2``, …, or the code of the centre that each fold leaves out.
        subsets: For each slide, its subset in each fold, one of :data:`WRITTEN_SUBSETS`.

    Raises:
        InvalidValueError: The name cannot be used.
        StudyError: Columns do not fit together.
        LeakError: A group is in two subsets of a fold, or the test is not the same in all folds.
    """

    name: str
    plan: SplitPlan
    slide_ids: tuple[str, ...]
    groups: tuple[int, ...]
    fold_names: tuple[str, ...]
    subsets: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Refuse what was not dealt in whole groups."""
        check_split_name(self.name)
        columns_fit = len(self.slide_ids) == len(self.groups) == len(self.subsets)
        if not columns_fit or {len(s) for s in self.subsets} - {len(self.fold_names)}:
            raise StudyError("the columns of a split differ in length", where=self.name)
        if unknown := {s for row in self.subsets for s in row} - set(WRITTEN_SUBSETS):
            raise StudyError(
                "unknown subset",
                where=self.name,
                found=", ".join(sorted(unknown)),
                allowed=", ".join(WRITTEN_SUBSETS),
            )
        whole: dict[int, tuple[str, ...]] = {}
        for group, row in zip(self.groups, self.subsets, strict=True):
            # Beside the centre left out, the rest of its groups serves nothing.
            row = tuple("test" if s == LEFT_OUT else s for s in row)
            if whole.setdefault(group, row) != row:
                raise LeakError("a group of slides is in two subsets", where=self.name, found=group)
        if not self.plan.leave_one_centre_out and any(
            "test" in row and set(row) != {"test"} for row in self.subsets
        ):
            raise LeakError("the test differs between folds", where=self.name)

    @property
    def sha256(self) -> str:
        """SHA-256 of the split's content."""
        return sha256_of_json(self.to_dict())

    def subset_of_slide(self, fold: int = 1) -> dict[str, str]:
        """Slide id → subset in a fold; slides that the split does not know have none.

        Args:
            fold: From 1.

        Raises:
            InvalidValueError: No such fold.
        """
        if not 1 <= fold <= len(self.fold_names):
            raise InvalidValueError(
                "--fold",
                found=fold,
                allowed=f"1 to {len(self.fold_names)}, the folds of split {self.name!r}",
            )
        return {i: row[fold - 1] for i, row in zip(self.slide_ids, self.subsets, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "plan": self.plan.to_dict(),
            "fold_names": list(self.fold_names),
            "slides": [
                [slide_id, group, *row]
                for slide_id, group, row in zip(
                    self.slide_ids, self.groups, self.subsets, strict=True
                )
            ],
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> WrittenSplit:
        """From JSON.

        Raises:
            StudyError: It is no split, or contradicts itself.
        """
        try:
            if raw["format"] != _FORMAT:
                raise ValueError(f"format {raw['format']!r}")
            return cls(
                name=raw["name"],
                plan=SplitPlan.from_dict(raw["plan"]),
                slide_ids=tuple(str(row[0]) for row in raw["slides"]),
                groups=tuple(int(row[1]) for row in raw["slides"]),
                fold_names=tuple(str(name) for name in raw["fold_names"]),
                subsets=tuple(tuple(str(s) for s in row[2:]) for row in raw["slides"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, PathoaiError) as error:
            raise StudyError("malformed split", found=str(error)) from error


def check_split_name(name: str) -> None:
    """Refuse what cannot name a split.

    Raises:
        InvalidValueError: Taken by kinds of split made on the spot, or no plain word.
    """
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise InvalidValueError(
            "a split's name",
            found=repr(name),
            allowed=f"up to 40 of a-z, 0-9 and hyphens, but not {', '.join(_TAKEN)}",
        )


def split_names(study: Study) -> tuple[str, ...]:
    """Names of the splits that the study vouches for, sorted."""
    return tuple(sorted(seals(study.path, _TABLE)))


def write_split(study: Study, split: WrittenSplit) -> WrittenSplit:
    """Write a split and enter its hash in the study sheet; what is written is never replaced.

    Returns:
        The split as it is written.

    Raises:
        StudyError: The study has a split of that name that differs, or was altered.
    """
    with sheet_locked(study.path):
        if split.name in split_names(study):
            known = read_split(study, split.name)
            if known != split:
                raise StudyError(
                    "the study has another split of that name",
                    where=f"split {split.name}",
                    remedy="give the new one a name of its own: --name",
                )
            return known
        study.splits_path.mkdir(parents=True, exist_ok=True)
        write_text_atomically(_path(study, split.name), _text(split))
        # Last: a file that nobody vouches for is none, and is written again.
        seal(study.path, _TABLE, split.name, split.sha256)
    return split


def read_split(study: Study, name: str) -> WrittenSplit:
    """A split of the study, unaltered.

    Raises:
        StudyError: The study vouches for none of that name; or its file is altered or malformed.
        MissingFileError: Its file is gone.
    """
    known = seals(study.path, _TABLE)
    if name not in known:
        raise StudyError(
            "the study has no such split",
            where="--split",
            found=repr(name),
            allowed=", ".join(sorted(known)) or "none yet",
            remedy="make it with `pathoai split STUDY --by patient`",
        )
    path = _path(study, name)
    if not path.is_file():
        raise MissingFileError(
            "the file of a split is gone", where=path.name, remedy="restore it from your backup"
        )
    split = _parsed(path)
    if split.sha256 != known[name] or split.name != name:
        raise StudyError(
            "the split was altered after it was written",
            where=path.name,
            found=f"SHA-256 {split.sha256[:12]}…",
            allowed=f"{known[name][:12]}…, as the study sheet says",
            remedy="restore the file from your backup, or make another split with --name",
        )
    return split


def _parsed(path: Path) -> WrittenSplit:
    try:
        raw = json.loads(path.read_text("utf8"))
    except ValueError as error:
        raise StudyError("malformed split", where=path.name, found=str(error)) from error
    return WrittenSplit.from_dict(raw)


def _path(study: Study, name: str) -> Path:
    return study.splits_path / f"{name}.json"


def _text(split: WrittenSplit) -> str:
    """JSON with a line for each slide, so that people can read it and compare two."""
    content = split.to_dict()
    slides = ",\n  ".join(json.dumps(row) for row in content.pop("slides"))
    head = json.dumps(content, indent=1, sort_keys=True)
    return f'{head[:-2]},\n "slides": [\n  {slides}\n ]\n}}\n'
