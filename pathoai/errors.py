"""Every error that pathoai raises for a reason a user can act on.

::

    PathoaiError                        root; a command prints it in one line, exit code 1
    ├── InvalidValueError (ValueError)  a number, name or option outside what is allowed
    ├── MissingFileError                nothing lies at the path
    ├── MissingDependencyError          an extra is not installed
    ├── StorageError                    disk full, read-only, not writable
    │   ├── ReadOnlyError               what should be written may only be read here
    │   └── BusyError                   another program holds what should be written
    ├── SlideError                      a slide cannot serve
    │   ├── NotASlideError              no reader knows the file
    │   ├── DamagedSlideError           the file is truncated or corrupt
    │   ├── MissingMppError             the scale is not in the file
    │   ├── ImplausibleMppError         the scale in the file cannot be true
    │   ├── NotCopyableError            its compressed tiles cannot be taken over as they are
    │   ├── DeidentificationError       it holds what nobody has allowed to leave
    │   └── NoTissueError               nothing to look at
    ├── StudyError                      not a study, or its parts contradict each other
    ├── StoreError                      a store is absent, incomplete or altered
    ├── OntologyError                   an ontology or a class is unknown or malformed
    ├── RecipeError                     a training recipe is unknown or malformed
    ├── LeakError                       train and test share a patient or an area
    ├── ModelError                      a model bundle is absent, altered or does not fit
    ├── AnnotationError                 an annotation, journal or exchange file is malformed
    ├── PackageError                    an annotation package is refused or does not verify
    ├── ErasureError                    a person cannot be taken out without remains
    ├── AuditError                      the trail of who did what is broken or cut off
    ├── ProtectionError                 a signature, a key or an encrypted package does not hold
    ├── PreemptedError                  training was asked to leave; it goes on from its checkpoint
    ├── ClusterError                    a cluster cannot be reached, or its workers die
    └── CohortError                     some slides of a cohort failed; the others are done
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # errors must stay light: every command loads them
    import numpy as np
    from numpy.typing import NDArray


class PathoaiError(Exception):
    """What happened, where, what was found, what is allowed and what to do.

    Args:
        what: A sentence without final stop: what is wrong.
        where: The coded slide id, option, file or field concerned.
        found: The offending value.
        allowed: What would have been accepted.
        remedy: What the user can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        found: object = None,
        allowed: object = None,
        remedy: str | None = None,
    ) -> None:
        """Keep the parts, so that a caller can use them without parsing the text."""
        self.what = what
        self.where = where
        self.found = found
        self.allowed = allowed
        self.remedy = remedy
        parts = [what if where is None else f"{where}: {what}"]
        if found is not None:
            parts.append(f"found {found}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        message = "; ".join(parts)
        # Some parts quote other libraries, whose messages run over several lines.
        whole = message if remedy is None else f"{message}. Remedy: {remedy}"
        super().__init__(" ".join(whole.split()))

    def __reduce__(self) -> tuple[partial[Self], tuple[()], dict[str, object]]:
        """Travel between processes: the parts as text, since not every value found can."""
        parts = {"where": self.where, "found": self.found, "allowed": self.allowed}
        texts = {name: None if part is None else str(part) for name, part in parts.items()}
        others = {k: v for k, v in vars(self).items() if k not in {"what", "remedy", *parts}}
        return partial(type(self), self.what, remedy=self.remedy, **texts), (), others


class InvalidValueError(PathoaiError, ValueError):
    """A number, name or option lies outside what is allowed."""


class MissingFileError(PathoaiError, FileNotFoundError):
    """Nothing lies at the path."""


class MissingDependencyError(PathoaiError, ImportError):
    """An optional dependency is not installed; the remedy names the extra."""


class StorageError(PathoaiError, OSError):
    """The disk is full, read-only or not writable."""


class ReadOnlyError(StorageError):
    """What should be written lies where it may only be read."""


class BusyError(StorageError):
    """Another program holds what should be written; nothing of it was entered."""


class SlideError(PathoaiError):
    """A slide cannot serve."""


class NotASlideError(SlideError):
    """No reader knows the file."""


class DamagedSlideError(SlideError):
    """The file is a slide, but truncated or corrupt."""


class MissingMppError(SlideError):
    """The slide does not say how many micrometres a pixel spans."""


class ImplausibleMppError(SlideError):
    """The slide states a scale that no scanner of histology has."""


class NotCopyableError(SlideError):
    """The slide's compressed tiles cannot be taken over as they are; it can be resampled."""


class NoTissueError(SlideError):
    """No tissue was found on the slide.

    Attributes:
        thumbnail: What was looked at, ``(height, width, 3)`` uint8; None where nothing was.
    """

    thumbnail: NDArray[np.uint8] | None = None


class StudyError(PathoaiError):
    """The folder is not a study, or its parts contradict each other."""


class StoreError(PathoaiError):
    """A slide store is absent, incomplete or altered."""


class OntologyError(PathoaiError):
    """An ontology or one of its classes is unknown or malformed."""


class AlignmentError(PathoaiError):
    """Two slides do not show the same section, or no believable alignment of them was found."""


class RecipeError(PathoaiError):
    """A training recipe is unknown or malformed."""


class LeakError(PathoaiError):
    """Training and evaluation share a patient or an area."""


class ModelError(PathoaiError):
    """A model bundle is absent, altered, or does not fit the data."""


class AnnotationError(PathoaiError):
    """An annotation, a journal or an exchange file is malformed."""


class PackageError(PathoaiError):
    """An annotation package is refused, or does not verify."""


class DeidentificationError(SlideError):
    """A slide holds something that may not leave, or that nobody has allowed to leave."""


class ErasureError(PathoaiError):
    """A person cannot be taken out, or something of the person would stay behind."""


class AuditError(PathoaiError):
    """The trail of who did what is broken, cut off, or kept for a time that is not allowed."""


class ProtectionError(PathoaiError):
    """A signature, a key or an encrypted package does not hold."""


class PreemptedError(PathoaiError):
    """A scheduler or a person asked training to leave; the same command goes on, exit code 75."""


class ClusterError(PathoaiError):
    """A cluster cannot be reached, or its workers die."""


class CohortError(PathoaiError):
    """Some slides of a cohort failed; the finished ones are kept."""
