"""A package for named readers alone: its files as one tar, encrypted in the age format.

Decrypting writes nothing that has a name before the last byte has been authenticated: age proves
its text block by block, so a file that was cut off or altered late would otherwise leave gigabytes
of plain text behind.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pathoai.errors import InvalidValueError, MissingFileError, PackageError, ProtectionError
from pathoai_annotations.package import layout
from pathoai_annotations.package.protection.age import NotedStream, age, raise_first
from pathoai_annotations.package.protection.keys import read_private
from pathoai_annotations.package.protection.tar_stream import TarStream, extract
from pathoai_annotations.package.staging import publish, staged

_OWNER_ONLY = 0o700


def encrypt_package(path: Path, recipients: Sequence[str], out: Path) -> None:
    """Encrypt a package so that each of the recipients, and nobody else, can read it.

    Args:
        path: The folder of the package.
        recipients: Public keys: ``age1…``, ``ssh-ed25519 …`` or ``ssh-rsa …``.
        out: The file to make; it must not exist.

    Raises:
        InvalidValueError: A recipient is no public key, or there is none.
        MissingDependencyError: pyrage is not installed.
        OSError: The disk is full; nothing is left of ``out``.
        PackageError: There is no package.
        ProtectionError: ``out`` exists or lies in the package, or a file of the package is no plain
            file or changes meanwhile.
    """
    library = age()
    keys = [_recipient(library, text) for text in recipients]
    if not keys:
        raise InvalidValueError("nobody could read it", allowed="at least one recipient")
    if not (path / layout.BAG_DECLARATION).is_file():
        raise PackageError("not a package", where=path.name, remedy="name a package's folder")
    _require_free(out)
    if out.resolve().is_relative_to(path.resolve()):
        raise ProtectionError(
            "the file would lie in the package that it holds",
            where=out.name,
            remedy="choose a place outside the package",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as file:
            _encrypt(library, path, file, keys)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def encrypt_beside(path: Path, recipients: Sequence[str]) -> Path:
    """Encrypt a package to a file of its name with ``.age`` added, and say where it is.

    Raises:
        InvalidValueError: As :func:`encrypt_package`, and so are its other errors.
    """
    out = path.with_name(f"{path.name}.age")
    encrypt_package(path, recipients, out)
    return out


def decrypt_package(file: Path, out: Path, identity: Path) -> None:
    """Decrypt a package into a new folder that its owner alone can read.

    Until everything is authenticated, the plain text has no name on the disk, so that even a killed
    process leaves none of it; then its files are written beside ``out`` and renamed into place.

    Args:
        file: What :func:`encrypt_package` made.
        out: The folder to make; it must not exist.
        identity: File of the private key, of age (one or more) or SSH.

    Raises:
        MissingDependencyError: pyrage is not installed.
        MissingFileError: There is no such file.
        OSError: The disk is full; nothing is left.
        ProtectionError: The key does not open it, it was altered or cut off, it holds no package,
            or ``out`` exists. Nothing is left.
    """
    library = age()
    if not file.is_file():
        raise MissingFileError("no such file", where=file.name)
    _require_free(out)
    keys = _identities(library, identity)
    with staged(out) as folder:
        folder.chmod(_OWNER_ONLY)
        with tempfile.TemporaryFile(dir=folder) as tar:
            _decrypt(library, file, tar, keys)
            tar.seek(0)
            extract(tar, folder)
        if not (folder / layout.BAG_DECLARATION).is_file():
            raise ProtectionError(
                "what was encrypted is no package",
                where=file.name,
                allowed="what `pathoai package encrypt` made",
            )
        _require_free(out)  # once more: decrypting takes a while
        publish(folder, out)


def _encrypt(library: Any, path: Path, file: IO[bytes], keys: Sequence[object]) -> None:  # noqa: ANN401 - pyrage has no types
    streams = NotedStream(TarStream(path)), NotedStream(file)
    try:
        library.encrypt_io(*streams, keys)
    except (library.EncryptError, OSError):
        raise_first(streams)
        raise


def _decrypt(library: Any, file: Path, tar: IO[bytes], keys: Sequence[object]) -> None:  # noqa: ANN401 - likewise
    with file.open("rb") as ciphertext:
        streams = NotedStream(ciphertext), NotedStream(tar)
        _decrypt_stream(library, streams, keys, file.name)
    tar.flush()


def _decrypt_stream(
    library: Any,  # noqa: ANN401 - likewise
    streams: tuple[NotedStream, NotedStream],
    keys: Sequence[object],
    name: str,
) -> None:
    try:
        library.decrypt_io(*streams, keys)
    except (library.DecryptError, OSError) as error:
        raise_first(streams)
        raise ProtectionError(
            "it cannot be decrypted, and nothing was written",
            where=name,
            found=error,
            allowed="a whole, unaltered file and the key of one of its recipients",
            remedy="check the key given with --identity, or ask for the file again",
        ) from error


def _require_free(out: Path) -> None:
    if os.path.lexists(out):
        raise ProtectionError(
            "the place is taken", where=out.name, remedy="choose another name, or move it away"
        )


def _recipient(library: Any, text: str) -> object:  # noqa: ANN401 - likewise
    kind = library.ssh if text.startswith("ssh-") else library.x25519
    try:
        return kind.Recipient.from_str(text.strip())
    except library.RecipientError as error:
        raise InvalidValueError(
            "not a public key to encrypt to",
            found=text[:12] + "…",
            allowed="age1… as `pathoai package keygen --for reading` makes, or ssh-ed25519 …",
            remedy="give the text in the recipient's .pub file",
        ) from error


def _identities(library: Any, path: Path) -> list[object]:  # noqa: ANN401 - likewise
    data = read_private(path)
    try:
        if b"OPENSSH PRIVATE KEY" in data:
            return [library.ssh.Identity.from_buffer(data)]
        lines = [line.strip() for line in data.decode("ascii").splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        found: list[object] = [library.x25519.Identity.from_str(key) for key in keys]
    except (library.IdentityError, UnicodeDecodeError):
        found = []  # the library's own text could quote the key
    if not found:
        raise ProtectionError(
            "not a key that decrypts packages",
            where=path.name,
            allowed="AGE-SECRET-KEY-1… or an SSH private key",
            remedy="make one with `pathoai package keygen FILE --for reading`",
        )
    return found
