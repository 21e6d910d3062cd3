"""Which encoders' weights a user has: file, hash and the licence he accepted, in his own folder.

The folder lies in the user's data, never in a study: it holds paths. What leaves it into stores,
bundles and records is ``RegisteredEncoder.about``, which holds none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from platformdirs import user_data_path

from pathoai.atomic_file import write_text_atomically
from pathoai.errors import InvalidValueError, ModelError
from pathoai.models.encoder import EncoderEntry, pick, shipped_encoders
from pathoai.provenance import sha256_of_file, sha256_of_json

_FILE = "encoders.json"


@dataclass(frozen=True)
class RegisteredEncoder:
    """An encoder and the file of its weights on this machine.

    Args:
        entry: What it is.
        path: The safetensors file.
        sha256: Of that file.
        accepted_licence: The licence the user said he accepts; empty where none had to be.
    """

    entry: EncoderEntry
    path: Path
    sha256: str
    accepted_licence: str = ""

    def __post_init__(self) -> None:
        """Refuse weights whose licence was not accepted, however they got here."""
        check_licence(self.entry, self.accepted_licence)

    @classmethod
    def from_dict(cls, key: str, raw: Mapping[str, Any]) -> Self:
        """As it is read from the registry, or sent to a worker.

        Raises:
            InvalidValueError: The description is malformed.
            KeyError: A part is missing.
        """
        entry = EncoderEntry.from_dict(key, raw["entry"])
        return cls(entry, Path(raw["path"]), raw["sha256"], raw["accepted_licence"])

    def to_dict(self) -> dict[str, Any]:
        """As it is written; it holds the path."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "accepted_licence": self.accepted_licence,
            "entry": {k: v for k, v in asdict(self.entry).items() if k != "key"},
        }

    @property
    def about(self) -> dict[str, Any]:
        """What features, bundles and records say of it; never a path."""
        entry = self.entry
        return {
            "key": entry.key,
            "title": entry.title,
            "source": entry.source,
            "licence": entry.licence,
            "commercial": entry.commercial,
            "accepted_licence": self.accepted_licence,
            "weights_sha256": self.sha256,
            "description_sha256": sha256_of_json(asdict(entry)),
        }

    def check_unchanged(self) -> None:
        """Compare the file with what was registered.

        Raises:
            ModelError: It has moved or was altered.
        """
        if not self.path.is_file():
            raise ModelError(
                "the weights are not where they were when they were registered",
                where=self.entry.key,
                remedy=f"run `pathoai encoders register {self.entry.key} FILE` with the new place",
            )
        if (found := sha256_of_file(self.path)) != self.sha256:
            raise ModelError(
                "the weights were altered since they were registered",
                where=self.entry.key,
                found=f"SHA-256 {found[:12]}…",
                allowed=f"{self.sha256[:12]}…",
                remedy="copy them again, or register them again if the change is wanted",
            )


def check_licence(entry: EncoderEntry, accepted: str) -> None:
    """Refuse an encoder that may not be used commercially before its user said he knows.

    Raises:
        ModelError: Its licence was not accepted, or another one was.
    """
    if accepted == entry.licence or (entry.commercial and not accepted):
        return
    terms = "" if entry.commercial else ": it forbids commercial use, also of what is made with it"
    raise ModelError(
        f"the licence of the weights was not accepted{terms}",
        where=entry.key,
        found=repr(accepted) if accepted else "no acceptance",
        allowed=entry.licence,
        remedy=f"read it, then register with --accept-licence {entry.licence}",
    )


class EncoderRegistry:
    """The encoders that a user registered.

    Args:
        folder: Where the registry lies; by default ``PATHOAI_ENCODERS``, or the user's data folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Nothing is read yet; the folder may not exist."""
        named = os.environ.get("PATHOAI_ENCODERS")
        default = Path(named) if named else user_data_path("pathoai") / "encoders"
        self.folder = folder or default

    @property
    def _file(self) -> Path:
        return self.folder / _FILE

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._file.exists():
            return {}
        try:
            return {str(k): dict(v) for k, v in json.loads(self._file.read_text("utf8")).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise ModelError(
                "the registry of encoders is damaged",
                where=_FILE,
                found=str(error),
                remedy="delete that file in your data folder and register the encoders again",
            ) from error

    def registered(self) -> Mapping[str, RegisteredEncoder]:
        """All encoders that have weights here, by key.

        Raises:
            ModelError: The registry is damaged.
        """
        return {key: self._parse(key, raw) for key, raw in self._read().items()}

    def _parse(self, key: str, raw: Mapping[str, Any]) -> RegisteredEncoder:
        try:
            return RegisteredEncoder.from_dict(key, raw)
        except (KeyError, TypeError, InvalidValueError) as error:
            raise ModelError(
                "the registry of encoders is damaged",
                where=key,
                found=str(error),
                remedy=f"run `pathoai encoders register {key} FILE` again",
            ) from error

    def get(self, key: str) -> RegisteredEncoder:
        """A registered encoder; its file is not read.

        Raises:
            InvalidValueError: No encoder has that key.
            ModelError: Its weights were not registered, or the registry is damaged.
        """
        registered = self.registered()
        if key not in registered:
            pick(key, {**shipped_encoders(), **registered}, "encoder")
            raise ModelError(
                "no weights of this encoder are registered here",
                where=key,
                allowed=", ".join(registered) or "none is registered yet",
                remedy=f"get the weights from their publisher, then "
                f"`pathoai encoders register {key} FILE.safetensors`",
            )
        return registered[key]

    def put(self, encoder: RegisteredEncoder) -> None:
        """Remember an encoder; another file under its key is forgotten."""
        content = self._read() | {encoder.entry.key: encoder.to_dict()}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(content, indent=1, sort_keys=True)
        write_text_atomically(self._file, text + "\n", mode=0o600)
