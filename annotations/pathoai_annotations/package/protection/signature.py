"""A signature over the bag's tag manifest, which holds the hash of everything else.

Ed25519 (RFC 8032) over the bytes of ``tagmanifest-sha256.txt``, in base 64 (a package holds text)
beside the manifest, with the public key, so that OpenSSL alone can check it. A key inside a package
says only that nothing changed since somebody signed; that it was the right person says a key that
came another way.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import PackageError, PathoaiError, ProtectionError
from pathoai_annotations.package import layout
from pathoai_annotations.package.finding import Finding
from pathoai_annotations.package.protection.keys import (
    fingerprint,
    load_public_key,
    load_signing_key,
    public_bytes,
)

SIGNATURE_FILES = (layout.SIGNATURE, layout.SIGNER)
_BYTES = 89  # 64 bytes in base 64, and the end of the line
_SIGN = "ask its sender to sign it with `pathoai package sign`"


def sign_package(path: Path, private_key_file: Path) -> str:
    """Sign a package as it is; an earlier signature is replaced.

    Args:
        path: The folder of the package.
        private_key_file: The signing key, outside the package.

    Returns:
        The fingerprint of the public key.

    Raises:
        MissingFileError: There is no such key.
        PackageError: There is no package.
        ProtectionError: The key lies in the package, is readable by others, or is no such key.
    """
    signed = path / layout.TAG_MANIFEST
    if not signed.is_file():
        raise PackageError(
            "not a package", where=path.name, remedy=f"name the folder with {layout.TAG_MANIFEST}"
        )
    if private_key_file.resolve().is_relative_to(path.resolve()):
        raise ProtectionError(
            "the private key lies in the package and would leave with it",
            where=private_key_file.name,
            remedy="keep the key outside the package",
        )
    key = load_signing_key(private_key_file)
    # The key first: a run killed in between leaves a signature that verification refuses.
    write_bytes_atomically(path / layout.SIGNER, public_bytes(key.public_key()))
    write_bytes_atomically(
        path / layout.SIGNATURE, b64encode(key.sign(signed.read_bytes())) + b"\n"
    )
    return fingerprint(key.public_key())


def check_signature(path: Path, signed_by: Path | None = None) -> Iterator[Finding]:
    """What is wrong with the signature of a package.

    Args:
        path: The folder of the package.
        signed_by: File of the public key that must have signed it; where None, an unsigned package
            is not a finding, and any key will do.

    Raises:
        MissingFileError: There is no file ``signed_by``.
        ProtectionError: It is no public key.
    """
    demanded = None if signed_by is None else load_public_key(signed_by)
    there = [name for name in SIGNATURE_FILES if (path / name).exists()]
    if not there:
        if demanded is not None:
            yield Finding("the package is not signed", layout.SIGNATURE, _SIGN)
        return
    if len(there) == 1:
        (missing,) = set(SIGNATURE_FILES) - set(there)
        yield Finding("half of a signature: the other file is missing", missing, _SIGN)
        return
    try:
        key = load_public_key(path / layout.SIGNER)
        # Nobody looks for names in base 64, so nothing may stand beside the key.
        if (path / layout.SIGNER).read_bytes() != public_bytes(key):
            raise ProtectionError("more than a public key", where=layout.SIGNER)
    except PathoaiError:
        yield Finding("the public key of the signature cannot be read", layout.SIGNER, _SIGN)
        return
    if demanded is not None and fingerprint(demanded) != fingerprint(key):
        yield Finding("signed by another key than the one asked for", layout.SIGNER, _SIGN)
    if not _holds(key, path):
        yield Finding(
            "the signature does not hold: the package changed after it was signed",
            layout.SIGNATURE,
            _SIGN,
        )


def _holds(key: Ed25519PublicKey, path: Path) -> bool:
    try:
        signature, signed = path / layout.SIGNATURE, path / layout.TAG_MANIFEST
        if signature.stat().st_size != _BYTES:
            return False
        key.verify(
            b64decode(signature.read_bytes().rstrip(b"\n"), validate=True), signed.read_bytes()
        )
    except (InvalidSignature, OSError, ValueError):
        return False
    return True
