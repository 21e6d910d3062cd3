"""Does every JSON file of a package mean one thing to whoever reads it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pathoai.errors import InvalidValueError
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import payload_files
from pathoai_annotations.package.finding import Finding

# Outlines and logs are read as strictly where they are checked: they are large.
_SUFFIXES = (".json", ".jsonld")


def check_json(root: Path) -> Iterator[Finding]:
    """Read all JSON but outlines and logs, be it read by another check or not.

    Args:
        root: The bag's folder.
    """
    for name, path in sorted(payload_files(root).items()):
        if not name.endswith(_SUFFIXES) or path.is_symlink() or not path.is_file():
            continue
        try:
            read_json(path)
        except InvalidValueError as error:
            yield Finding(f"{error.what}: {error.found}", f"{layout.PAYLOAD}/{name}")
        except OSError:
            continue  # told by the check of the files
