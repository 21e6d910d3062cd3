"""Do stated precisions of labels follow from their counts, and name slides and readers by code?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pathoai.errors import InvalidValueError, PathoaiError
from pathoai.ihc.precision import LabelPrecision
from pathoai.privacy.pseudonym import is_code
from pathoai.strict_json import read_json
from pathoai_annotations.journal.edit import Edit
from pathoai_annotations.package import layout
from pathoai_annotations.package.finding import Finding


def check_audits(root: Path) -> Iterator[Finding]:
    """Check every audit that a package holds.

    Args:
        root: The bag's folder.
    """
    for path in sorted((root / layout.PAYLOAD / layout.AUDIT_FOLDER).glob("*")):
        where = path.relative_to(root).as_posix()
        try:
            found = LabelPrecision.from_dict(read_json(path))
        except InvalidValueError as error:
            yield Finding(error.what, where)
            continue
        except (OSError, ValueError):
            yield Finding("the audit of labels cannot be read", where)
            continue
        if path.name != Path(layout.audit_name(found.marker)).name:
            yield Finding("named by another marker than it is of", where)
        if not all(is_code(slide_id) for slide_id in found.labels):
            yield Finding("a slide is named by something that is no code", where)
        if not all(map(_is_reader, found.readers)):
            yield Finding("a reader is named by something that is no code", where)


def _is_reader(code: str) -> bool:
    try:
        Edit(code)
    except PathoaiError:
        return False
    return True
