"""A signature holds for what was signed, by who signed it, and for nothing else."""

from __future__ import annotations

import base64
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from pathoai.errors import MissingFileError, PackageError, ProtectionError
from pathoai_annotations.package.check_privacy import check_privacy
from pathoai_annotations.package.protection.keys import make_signing_key, public_path
from pathoai_annotations.package.protection.signature import check_signature, sign_package


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_signing_key(tmp_path / "keys" / "export.pem")
    return tmp_path / "keys" / "export.pem"


@pytest.fixture
def signed(package: Path, key: Path) -> Path:
    sign_package(package, key)
    return package


def _whats(package: Path, signed_by: Path | None = None) -> list[str]:
    return [finding.what for finding in check_signature(package, signed_by)]


def test_a_signed_package_holds_for_its_key(signed: Path, key: Path) -> None:
    assert _whats(signed) == []
    assert _whats(signed, public_path(key)) == []


def test_unsigned_is_a_finding_only_where_a_signature_is_asked_for(
    package: Path, key: Path
) -> None:
    assert _whats(package) == []
    assert _whats(package, public_path(key)) == ["the package is not signed"]


@pytest.mark.parametrize("name", ["tagmanifest-sha256.txt", "signature.ed25519"])
def test_an_altered_byte(signed: Path, name: str) -> None:
    data = bytearray((signed / name).read_bytes())
    data[3] ^= 1
    (signed / name).write_bytes(bytes(data))
    assert _whats(signed) == [
        "the signature does not hold: the package changed after it was signed"
    ]


def test_signed_anew_by_somebody_else(signed: Path, key: Path, tmp_path: Path) -> None:
    make_signing_key(tmp_path / "keys" / "forger.pem")
    sign_package(signed, tmp_path / "keys" / "forger.pem")
    assert _whats(signed) == []
    assert _whats(signed, public_path(key)) == ["signed by another key than the one asked for"]


@pytest.mark.parametrize("name", ["signature.ed25519", "signature.pub"])
def test_half_of_a_signature(signed: Path, name: str) -> None:
    (signed / name).unlink()
    (finding,) = check_signature(signed)
    assert (finding.what, finding.where) == (
        "half of a signature: the other file is missing",
        name,
    )


def test_a_public_key_that_is_none(signed: Path) -> None:
    (signed / "signature.pub").write_text("no key\n")
    assert _whats(signed) == ["the public key of the signature cannot be read"]


def test_nothing_stands_beside_the_key(signed: Path) -> None:
    with (signed / "signature.pub").open("a") as file:
        file.write("Jane Roe\n")
    assert _whats(signed) == ["the public key of the signature cannot be read"]


def test_a_signature_that_looks_like_a_path(package: Path, tmp_path: Path) -> None:
    for number in range(100):
        key = tmp_path / f"{number}.pem"
        make_signing_key(key)
        sign_package(package, key)
        if re.search(r"/\w+/\w", (package / "signature.ed25519").read_text()):
            break
    assert not any(f.where.startswith("signature") for f in check_privacy(package))


def test_a_signature_that_is_cut_off(signed: Path) -> None:
    (signed / "signature.ed25519").write_bytes(b"short")
    assert _whats(signed) == [
        "the signature does not hold: the package changed after it was signed"
    ]


def test_the_same_key_gives_the_same_bytes(signed: Path, key: Path) -> None:
    first = (signed / "signature.ed25519").read_bytes()
    sign_package(signed, key)
    assert (signed / "signature.ed25519").read_bytes() == first


def test_openssl_agrees(signed: Path, tmp_path: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    words = ["pkeyutl", "-verify", "-pubin", "-inkey", "signature.pub", "-rawin"]
    raw = tmp_path / "raw"
    raw.write_bytes(base64.b64decode((signed / "signature.ed25519").read_text()))
    files = ["-in", "tagmanifest-sha256.txt", "-sigfile", str(raw)]
    run = subprocess.run([program, *words, *files], cwd=signed, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_private_key_is_its_owners_alone(key: Path, package: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(ProtectionError, match=r"others can read.*found mode 0640"):
        sign_package(package, key)


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(ProtectionError, match="never overwritten"):
        make_signing_key(key)
    assert key.read_bytes() == before


def test_a_key_in_the_package_is_refused(package: Path) -> None:
    make_signing_key(package / "data" / "export.pem")
    with pytest.raises(ProtectionError, match="would leave with it"):
        sign_package(package, package / "data" / "export.pem")


def test_what_is_no_key(package: Path, key: Path, tmp_path: Path) -> None:
    with pytest.raises(ProtectionError, match="not a public key"):
        list(check_signature(package, key))
    public_path(key).chmod(0o600)
    with pytest.raises(ProtectionError, match="not a key that signs"):
        sign_package(package, public_path(key))
    with pytest.raises(MissingFileError):
        sign_package(package, tmp_path / "absent.pem")


def test_what_is_no_package(tmp_path: Path, key: Path) -> None:
    with pytest.raises(PackageError, match="not a package"):
        sign_package(tmp_path, key)
