"""Codes that cannot be reversed without the study's key.

A code is the first 80 bits of HMAC-SHA256 (RFC 2104) over kind and identifier, in Crockford's
base 32. Every study has a secret of its own, and what is computed with it uses a key derived by
HKDF-SHA256 (RFC 5869) for that purpose in that project. So codes of the same patient in two studies
cannot be linked, not even where one secret was copied into the vault of the other; and a key that
gets out opens nothing else. A plain hash or a UUID of an identifier could be guessed by trying all
identifiers. Studies from before there were derived keys go on with the codes they have: the first
word of the key's file says which.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from pathoai.errors import StudyError
from pathoai.privacy.identifier import earlier_spellings, normalised

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARACTERS = 16
_KEY_BYTES = 32
_DERIVATION = "hkdf-sha256"
_CODES = "codes"
CODE_PATTERN = re.compile(f"[{_CROCKFORD}]{{{_CODE_CHARACTERS}}}")

Kind = Literal["slide", "patient", "specimen", "block", "centre", "account", "term"]
_IDENTIFIERS: frozenset[Kind] = frozenset(("patient", "specimen", "block", "centre"))
"""Kinds that people write, in whatever spelling; the others are made by programs, or are terms."""
_FEWEST_DIGITS = 6
"""Of a serial number, a day or the number of a case; models of scanners have fewer."""


def vault_folder(study_uuid: str) -> Path:
    """Where a study's key and link table lie: outside the study, in the user's own data folder.

    ``PATHOAI_VAULT`` names another place, e.g. an encrypted volume.
    """
    root = os.environ.get("PATHOAI_VAULT")
    return (Path(root) if root else user_data_path("pathoai") / "vault") / study_uuid


@dataclass(frozen=True, slots=True)
class StudySecret:
    """What all keys of one study are derived from.

    Args:
        secret: 32 bytes.
        project: UUID of the study.
        derives_codes: False for studies whose codes were made with the secret itself.
    """

    secret: bytes
    project: str
    derives_codes: bool = True

    def subkey(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose in this project (HKDF-SHA256, RFC 5869).

        Args:
            purpose: A word, e.g. ``audit``.
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        info = f"pathoai {purpose}\0{self.project}".encode()
        return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(self.secret)

    @property
    def coding_key(self) -> bytes:
        """What :func:`code` takes."""
        return self.subkey(_CODES) if self.derives_codes else self.secret


def load_or_create_key(vault: Path, *, may_create: bool = True) -> bytes:
    """The key that codes of the study are made with; its secret is made on first use.

    Args:
        vault: The study's vault.
        may_create: False where codes exist already: a new key would give every patient a second
            code, and one patient could end up in training and test.

    Raises:
        StudyError: The key is absent and may not be made, can be read by others, or is no key.
    """
    return load_or_create_secret(vault, may_create=may_create).coding_key


def load_or_create_secret(vault: Path, *, may_create: bool = True) -> StudySecret:
    """The study's secret, made on first use; arguments and errors of :func:`load_or_create_key`."""
    path = vault / "key"
    if not path.exists():
        if not may_create:
            raise StudyError(
                "the study has coded slides, but its key is not here",
                allowed="the key that the first slides were coded with",
                remedy="restore the vault from your backup, or point PATHOAI_VAULT at it",
            )
        write_secret_once(path, f"{_DERIVATION}\n{secrets.token_hex(_KEY_BYTES)}")
    words = read_secret(path)
    try:
        secret = bytes.fromhex(words[-1])
    except (ValueError, IndexError):
        secret = b""
    if len(secret) != _KEY_BYTES or words[:-1] not in ([], [_DERIVATION]):
        raise StudyError(
            "the key file of the study is damaged",
            allowed=f"{_DERIVATION} and {2 * _KEY_BYTES} hexadecimal digits",
            remedy="restore it from your backup; without it no slide can be added",
        )
    return StudySecret(secret, vault.name, derives_codes=len(words) > 1)


def write_secret_once(path: Path, text: str) -> None:
    """Write a file that its owner alone can read; what another program wrote first stays.

    The text is whole on disk before the file has its name, so nobody ever reads half a key.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def read_secret(path: Path) -> list[str]:
    """The words of a file that its owner alone may read; none where it is no text.

    Raises:
        StudyError: Others can read it.
    """
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StudyError(
            "the key file of the study can be read by others",
            found=f"mode {stat.S_IMODE(path.stat().st_mode):04o}",
            allowed="mode 0600",
            remedy=f"make the file named {path.name} in the study's vault readable by you alone "
            "(chmod 600)",
        )
    try:
        return path.read_text("ascii").split()
    except ValueError:
        return []


def code(key: bytes, kind: Kind, identifier: str) -> str:
    """The code of an identifier: 16 characters, the same for the same key, kind and identifier.

    Args:
        key: The study's.
        kind: Of what is identified.
        identifier: Of a patient, specimen, block or centre in any spelling: Unicode's forms and
            blanks make no difference (:mod:`pathoai.privacy.identifier`).

    Raises:
        InvalidValueError: Such an identifier holds a line break.
    """
    return _code(key, kind, normalised(identifier) if kind in _IDENTIFIERS else identifier)


def codes_of_all_spellings(key: bytes, kind: Kind, identifier: str) -> tuple[str, ...]:
    """The code of an identifier, then those that its spellings had in studies made before.

    Arguments and errors are those of :func:`code`.
    """
    earlier = (_code(key, kind, spelling) for spelling in earlier_spellings(identifier))
    return (code(key, kind, identifier), *earlier)


def _code(key: bytes, kind: Kind, text: str) -> str:
    digest = hmac.digest(key, f"{kind}\0{text}".encode(), hashlib.sha256)
    number = int.from_bytes(digest[:10], "big")
    return "".join(
        _CROCKFORD[(number >> (5 * position)) & 31]
        for position in reversed(range(_CODE_CHARACTERS))
    )


def coded_term(key: bytes, term: str) -> str:
    """A term that slides share, as it is; or its code, where it holds the number of something.

    ``NanoZoomer S360`` says what kind of device it is; ``SN 990871`` says which, and
    ``22H04417`` whose block.

    Args:
        key: The study's, as `code` takes it.
        term: Such as the name of a scanner, a batch or a pair.
    """
    return code(key, "term", term) if sum(map(str.isdigit, term)) >= _FEWEST_DIGITS else term


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
