"""Do the descriptions for others name the same files with the same hashes as the bag does?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathoai.errors import PackageError
from pathoai.strict_json import read_json
from pathoai_annotations.package import layout
from pathoai_annotations.package.bag import read_manifest
from pathoai_annotations.package.finding import Finding


def check_catalogue(root: Path) -> Iterator[Finding]:
    """Compare Croissant and datapackage with the bag's manifest, which is compared with the disk.

    A description that is absent is told by the check of the files.
    """
    try:
        manifest = read_manifest(root)
    except PackageError:
        return  # told by the check of the files
    for name, read in ((layout.CROISSANT, _of_croissant), (layout.DATAPACKAGE, _of_datapackage)):
        where = f"{layout.PAYLOAD}/{name}"
        try:
            stated = read(read_json(root / where))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            yield Finding("the description cannot be read", where)
            continue
        for file, digest in sorted(stated.items()):
            found = manifest.get(f"{layout.PAYLOAD}/{file}")
            if found is None:
                yield Finding("describes a file that is not in the package", where)
            elif found != digest:
                yield Finding(f"states another hash of {file} than the bag's manifest", where)


def _of_croissant(document: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
    files = (one for one in document["distribution"] if one["@type"] == "cr:FileObject")
    return {str(file["contentUrl"]): str(file["sha256"]) for file in files}


def _of_datapackage(document: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
    return {
        str(resource["path"]): str(resource["hash"]).removeprefix("sha256:")
        for resource in document["resources"]
    }
