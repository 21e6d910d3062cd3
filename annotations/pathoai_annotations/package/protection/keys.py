"""Keys: Ed25519 for signing, X25519 (age) for reading what was encrypted.

A private key is a file of its owner alone. A signing key is PKCS #8 in PEM and its public half
SubjectPublicKeyInfo in PEM, which OpenSSL reads; an age identity is the text of `age-keygen`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pathoai.errors import MissingFileError, ProtectionError
from pathoai_annotations.package.protection.age import age

_LONGEST_KEY_FILE = 16_384


def make_signing_key(path: Path) -> str:
    """Make a key that signs; its public half lies beside it, with ``.pub`` added to its name.

    Returns:
        The fingerprint of the public half.

    Raises:
        ProtectionError: One of the files exists.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_pair(path, private, public_bytes(key.public_key()))
    return fingerprint(key.public_key())


def make_reading_key(path: Path) -> str:
    """Make a key that decrypts; its public half, the recipient, lies beside it (``.pub``).

    Returns:
        The recipient, ``age1…``.

    Raises:
        MissingDependencyError: pyrage is not installed.
        ProtectionError: One of the files exists.
    """
    identity = age().x25519.Identity.generate()
    recipient = str(identity.to_public())
    private = f"# public key: {recipient}\n{identity}\n"
    _write_pair(path, private.encode(), f"{recipient}\n".encode())
    return recipient


def public_path(path: Path) -> Path:
    """Where the public half of a private key lies."""
    return path.with_name(f"{path.name}.pub")


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        MissingFileError: There is none.
        ProtectionError: Others can read it, or it is no Ed25519 key.
    """
    data = read_private(path)
    key = _parsed(lambda pem: load_pem_private_key(pem, password=None), data)
    if not isinstance(key, Ed25519PrivateKey):
        raise ProtectionError(
            "not a key that signs packages",
            where=path.name,
            allowed="an Ed25519 private key in PEM, without a password",
            remedy="make one with `pathoai package keygen FILE`",
        )
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        MissingFileError: There is none.
        ProtectionError: It is no Ed25519 key.
    """
    key = _parsed(load_pem_public_key, _read(path))
    if not isinstance(key, Ed25519PublicKey):
        raise ProtectionError(
            "not a public key of a signature",
            where=path.name,
            allowed="an Ed25519 public key in PEM",
            remedy="name the .pub file that `pathoai package keygen` made",
        )
    return key


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """A public key as its file."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Short enough to compare by telephone: 128 bits of the SHA-256 of the public key."""
    digest = hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]
    return ":".join(digest[i : i + 4] for i in range(0, len(digest), 4))


def read_private(path: Path) -> bytes:
    """Read a file that must be its owner's alone.

    Raises:
        MissingFileError: There is none.
        ProtectionError: Others can read it, or it is too long for a key.
    """
    data = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    # Windows states modes that mean nothing there.
    if os.name != "nt" and mode & 0o077:
        raise ProtectionError(
            "a private key that others can read protects nothing",
            where=path.name,
            found=f"mode {mode:04o}",
            allowed="mode 0600",
            remedy="make it readable by you alone (chmod 600), or make a new key",
        )
    return data


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MissingFileError("no such key file", where=path.name)
    with path.open("rb") as file:
        data = file.read(_LONGEST_KEY_FILE + 1)
    if len(data) > _LONGEST_KEY_FILE:
        raise ProtectionError("too long for a key", where=path.name)
    return data


def _parsed(load: Callable[[bytes], Any], data: bytes) -> object:
    try:
        return load(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None  # the caller says what it wanted; the library's own text could quote the key


def _write_pair(path: Path, private: bytes, public: bytes) -> None:
    for file in (path, public_path(path)):
        if os.path.lexists(file):
            raise ProtectionError(
                "a key is never overwritten: what it signed or opens would be lost",
                where=file.name,
                remedy="choose another name",
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, private, 0o600)
    _write_new(public_path(path), public, 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
