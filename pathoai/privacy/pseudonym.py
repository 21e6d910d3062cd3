"""Codes that cannot be reversed without the study's key.

A code is the first 80 bits of HMAC-SHA256 (RFC 2104) over kind and identifier, in Crockford's
base 32. Every study has a key of its own, so codes of the same patient in two studies cannot be
linked; a plain hash or a UUID of an identifier could be guessed by trying all identifiers.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from pathoai.errors import StudyError

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARACTERS = 16
_KEY_BYTES = 32
CODE_PATTERN = re.compile(f"[{_CROCKFORD}]{{{_CODE_CHARACTERS}}}")

Kind = Literal["slide", "patient", "specimen", "block", "centre"]


def vault_folder(study_uuid: str) -> Path:
    """Where a study's key and link table lie: outside the study, in the user's own data folder.

    ``PATHOAI_VAULT`` names another place, e.g. an encrypted volume.
    """
    root = os.environ.get("PATHOAI_VAULT")
    return (Path(root) if root else user_data_path("pathoai") / "vault") / study_uuid


def load_or_create_key(vault: Path, *, may_create: bool = True) -> bytes:
    """The study's secret key, made on first use.

    Args:
        vault: The study's vault.
        may_create: False where codes exist already: a new key would give every patient a second
            code, and one patient could end up in training and test.

    Raises:
        StudyError: The key is absent and may not be made, can be read by others, or is no key.
    """
    path = vault / "key"
    if not path.exists():
        if not may_create:
            raise StudyError(
                "the study has coded slides, but its key is not here",
                allowed="the key that the first slides were coded with",
                remedy="restore the vault from your backup, or point PATHOAI_VAULT at it",
            )
        vault.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StudyError(
            "the key file of the study can be read by others",
            found=f"mode {stat.S_IMODE(path.stat().st_mode):04o}",
            allowed="mode 0600",
            remedy="make the file named key in the study's vault readable by you alone (chmod 600)",
        )
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StudyError(
            "the key file of the study is damaged",
            allowed=f"{2 * _KEY_BYTES} hexadecimal digits",
            remedy="restore it from your backup; without it no slide can be added",
        )
    return key


def code(key: bytes, kind: Kind, identifier: str) -> str:
    """The code of an identifier: 16 characters, the same for the same key, kind and identifier."""
    digest = hmac.digest(key, f"{kind}\0{identifier}".encode(), hashlib.sha256)
    number = int.from_bytes(digest[:10], "big")
    return "".join(
        _CROCKFORD[(number >> (5 * position)) & 31]
        for position in reversed(range(_CODE_CHARACTERS))
    )


def code_of_content(sha256: str) -> str:
    """A slide's code outside of any study: the same wherever the same file is.

    Whoever has the file can compute it, so it serves for slides alone, never for people.

    Args:
        sha256: Of the file.
    """
    return code(b"", "slide", sha256)


def is_code(text: str) -> bool:
    """True for text of the form that :func:`code` gives."""
    return CODE_PATTERN.fullmatch(text) is not None
