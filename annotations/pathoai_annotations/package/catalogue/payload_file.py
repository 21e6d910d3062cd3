"""Files of a payload, as descriptions name them: size, hash and type; and how they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pathoai.provenance import sha256_of_file
from pathoai_annotations.package import layout

# One file or folder for each slide: descriptions name these as sets, the crate one by one.
_OF_SLIDES = (
    f"{layout.JOURNAL_FOLDER}/journal-",
    f"{layout.REGISTRATION_FOLDER}/",
    "annotations/",
    "masks/",
    "images/",
    f"{layout.PICTURE_FOLDER}/",
)


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """One file.

    Args:
        name: Relative to the payload.
        size: In bytes.
        sha256: In hexadecimal.
    """

    name: str
    size: int
    sha256: str

    @classmethod
    def read(cls, payload: Path, name: str) -> PayloadFile:
        """Measure and hash a file of the payload.

        Raises:
            OSError: It cannot be read.
        """
        path = payload / name
        return cls(name, path.stat().st_size, sha256_of_file(path))

    @property
    def media_type(self) -> str:
        """IANA media type."""
        return layout.media_type(self.name)

    @property
    def description(self) -> str:
        """One line."""
        return layout.description(self.name)


def common_files(payload: Path) -> list[PayloadFile]:
    """Files that are not of a single slide, as they lie there now, by name."""
    names = (p.relative_to(payload).as_posix() for p in payload.rglob("*") if p.is_file())
    return [
        PayloadFile.read(payload, name) for name in sorted(names) if not name.startswith(_OF_SLIDES)
    ]


def payload_size(payload: Path) -> int:
    """Bytes of all files that lie there now."""
    return sum(path.stat().st_size for path in payload.rglob("*") if path.is_file())


def write_payload_text(payload: Path, name: str, text: str) -> None:
    """Write a text file in UTF-8 with line feeds alone."""
    path = payload / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf8", newline="\n")


def write_payload_json(payload: Path, name: str, content: object) -> None:
    """Write JSON, the same bytes for the same content."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_payload_text(payload, name, text + "\n")
