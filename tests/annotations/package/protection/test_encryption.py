"""What was encrypted comes back whole, or not at all: no byte of plain text stays on the disk."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import time
from pathlib import Path

import pytest

from pathoai.errors import InvalidValueError, MissingFileError, PackageError, ProtectionError
from pathoai_annotations.package.protection.age import age
from pathoai_annotations.package.protection.encryption import decrypt_package, encrypt_package
from pathoai_annotations.package.protection.keys import make_reading_key
from pathoai_annotations.package.protection.tar_stream import TarStream, extract

pytest.importorskip("pyrage")
_CANARY = b"what must not lie about in the clear"


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    make_reading_key(tmp_path / "keys" / "reader.txt")
    return tmp_path / "keys" / "reader.txt"


@pytest.fixture
def recipient(identity: Path) -> str:
    return identity.with_name("reader.txt.pub").read_text().strip()


@pytest.fixture
def encrypted(package: Path, recipient: str, tmp_path: Path) -> Path:
    encrypt_package(package, [recipient], tmp_path / "package.age")
    return tmp_path / "package.age"


def _files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of its own, so that anything left in it is seen."""
    made = tmp_path / "place"
    made.mkdir()
    return made


def test_there_and_back(package: Path, encrypted: Path, place: Path, identity: Path) -> None:
    decrypt_package(encrypted, place / "out", identity)
    assert _files(place / "out") == _files(package)
    assert os.listdir(place) == ["out"]
    assert stat.S_IMODE((place / "out").stat().st_mode) == 0o700


def test_nothing_of_it_can_be_read(package: Path, encrypted: Path) -> None:
    ciphertext = encrypted.read_bytes()
    names = [p.name for p in package.rglob("*") if p.is_file()]
    assert not any(name.encode() in ciphertext for name in names)


def test_each_of_two_recipients_reads_it(package: Path, tmp_path: Path, recipient: str) -> None:
    second = make_reading_key(tmp_path / "keys" / "second.txt")
    encrypt_package(package, [recipient, second], tmp_path / "both.age")
    for name in ("reader", "second"):
        decrypt_package(tmp_path / "both.age", tmp_path / name, tmp_path / "keys" / f"{name}.txt")
        assert _files(tmp_path / name) == _files(package)


def test_another_key_opens_nothing(encrypted: Path, tmp_path: Path, place: Path) -> None:
    make_reading_key(tmp_path / "keys" / "stranger.txt")
    with pytest.raises(ProtectionError, match="cannot be decrypted, and nothing was written"):
        decrypt_package(encrypted, place / "out", tmp_path / "keys" / "stranger.txt")
    assert not os.listdir(place)


@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.999999])
def test_a_tampered_byte(encrypted: Path, place: Path, identity: Path, where: float) -> None:
    data = bytearray(encrypted.read_bytes())
    data[int(where * (len(data) - 1))] ^= 1
    encrypted.write_bytes(bytes(data))
    with pytest.raises(ProtectionError, match="cannot be decrypted"):
        decrypt_package(encrypted, place / "out", identity)
    assert not os.listdir(place)


def test_a_file_that_was_cut_off(encrypted: Path, place: Path, identity: Path) -> None:
    encrypted.write_bytes(encrypted.read_bytes()[:-70_000])
    with pytest.raises(ProtectionError, match="cannot be decrypted"):
        decrypt_package(encrypted, place / "out", identity)
    assert not os.listdir(place)


def test_what_is_no_age_file(place: Path, tmp_path: Path, identity: Path) -> None:
    (tmp_path / "text.age").write_text("no age file")
    with pytest.raises(ProtectionError, match="cannot be decrypted"):
        decrypt_package(tmp_path / "text.age", place / "out", identity)
    with pytest.raises(MissingFileError):
        decrypt_package(tmp_path / "absent.age", place / "out", identity)
    assert not os.listdir(place)


def test_places_that_are_taken(
    package: Path, encrypted: Path, recipient: str, identity: Path
) -> None:
    with pytest.raises(ProtectionError, match="taken"):
        decrypt_package(encrypted, package, identity)
    with pytest.raises(ProtectionError, match="taken"):
        encrypt_package(package, [recipient], encrypted)
    with pytest.raises(ProtectionError, match="outside the package"):
        encrypt_package(package, [recipient], package / "data" / "p.age")


def test_who_is_no_recipient(package: Path, tmp_path: Path, identity: Path) -> None:
    with pytest.raises(InvalidValueError, match="not a public key"):
        encrypt_package(package, ["Jane"], tmp_path / "p.age")
    with pytest.raises(InvalidValueError, match="not a public key"):
        encrypt_package(package, ["ssh-ed25519 AAAA"], tmp_path / "p.age")
    with pytest.raises(InvalidValueError, match="nobody"):
        encrypt_package(package, [], tmp_path / "p.age")
    with pytest.raises(PackageError):
        encrypt_package(
            tmp_path / "keys",
            [identity.with_name("reader.txt.pub").read_text()],
            tmp_path / "p.age",
        )
    assert not (tmp_path / "p.age").exists()


def test_an_identity_that_is_none_is_not_quoted(
    encrypted: Path, place: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("AGE-SECRET-KEY-1MISTYPED")
    secret.chmod(0o600)
    with pytest.raises(ProtectionError, match="not a key that decrypts") as caught:
        decrypt_package(encrypted, place / "out", secret)
    assert "MISTYPED" not in str(caught.value)
    secret.chmod(0o644)
    with pytest.raises(ProtectionError, match="others can read"):
        decrypt_package(encrypted, place / "out", secret)


# --- interruptions -----------------------------------------------------------------------------

_KILLED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from pathoai_annotations.package.protection import encryption, tar_stream

    def waits_for_ever(*arguments):
        print("there", flush=True)
        sys.stdin.read()

    where, file, out, identity = sys.argv[1:]
    if where == "decrypted":
        encryption.extract = waits_for_ever
    else:
        tar_stream._extract_one = waits_for_ever
    encryption.decrypt_package(Path(file), Path(out), Path(identity))
    """
)


@pytest.fixture
def whole(tmp_path: Path, package: Path, recipient: str) -> Path:
    """A package with words to look for, encrypted."""
    (package / "data" / "README.md").write_bytes(_CANARY * 40_000)
    encrypt_package(package, [recipient], tmp_path / "whole.age")
    return tmp_path / "whole.age"


def _plain_text_below(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and _CANARY in p.read_bytes()]


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_half_way_it_leaves_no_plain_text(whole: Path, place: Path, identity: Path) -> None:
    words = [sys.executable, "-c", _KILLED, "decrypted", str(whole), str(place / "out")]
    child = subprocess.Popen(
        [*words, str(identity)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"  # all of it is decrypted, and lies on the disk
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (place / "out").exists()
    assert not _plain_text_below(place)
    decrypt_package(whole, place / "out", identity)
    assert os.listdir(place) == ["out"]


@pytest.mark.skipif(os.name == "nt", reason="no limit on files")
@pytest.mark.parametrize("kilobytes", [64, 600])
def test_a_full_disk(
    whole: Path, place: Path, identity: Path, recipient: str, kilobytes: int
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes << 10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            decrypt_package(whole, place / "out", identity)
        with pytest.raises(OSError, match="File too large"):
            encrypt_package(place.parent / "package", [recipient], place / "again.age")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not os.listdir(place)


# --- the tar -----------------------------------------------------------------------------------


def _tar(folder: Path) -> bytes:
    stream = TarStream(folder)
    return b"".join(iter(lambda: stream.read(1000), b""))


def test_a_tar_of_the_same_files_has_the_same_bytes(package: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(package, tmp_path / "another name", copy_function=shutil.copyfile)
    for file in elsewhere.rglob("*"):
        os.utime(file, (1, time.time() - 1e6))
    tars = [_tar(folder) for folder in (package, elsewhere)]
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        members = archive.getmembers()
    assert {m.name for m in members} == set(_files(package))
    assert {(m.uname, m.gname, m.uid, m.gid, m.mtime) for m in members} == {("", "", 0, 0, 0)}


def test_long_names_and_letters_beyond_ascii(tmp_path: Path) -> None:
    name = Path(*["d" * 60] * 4, "é" * 90)
    (tmp_path / "a" / name).parent.mkdir(parents=True)
    (tmp_path / "a" / name).write_bytes(b"text")
    (tmp_path / "b").mkdir()
    extract(io.BytesIO(_tar(tmp_path / "a")), tmp_path / "b")
    assert (tmp_path / "b" / name).read_bytes() == b"text"


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "member",
    [
        _member("/absolute"),
        _member("../above"),
        _member("a/../../above"),
        _member("C:/drive"),
        _member("a\\..\\..\\above"),
        _member("link", tarfile.SYMTYPE, "/etc"),
        _member("link", tarfile.LNKTYPE, "bagit.txt"),
        _member("pipe", tarfile.FIFOTYPE),
        _member("folder", tarfile.DIRTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_a_tar_that_leads_out_is_refused(
    member: tarfile.TarInfo, place: Path, recipient: str, identity: Path, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(_member("bagit.txt"))
        archive.addfile(member)
    key = age().x25519.Recipient.from_str(recipient)
    (tmp_path / "evil.age").write_bytes(age().encrypt(buffer.getvalue(), [key]))
    with pytest.raises(ProtectionError, match="outside of its folder"):
        decrypt_package(tmp_path / "evil.age", place / "out", identity)
    assert not os.listdir(place)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ("bagit.txt", "two files for the same place"),
        ("./bagit.txt", "two files for the same place"),
        ("bagit.txt/inside", "two files for the same place"),
        ("data", "two files for the same place"),
        ("n" * 300, "no file can have"),
        ("a\0b", "no file can have"),
    ],
    ids=["twice", "twice, spelt otherwise", "below a file", "over a folder", "too long", "zero"],
)
def test_a_tar_whose_files_cannot_all_be_written_is_refused(
    second: str, what: str, place: Path, recipient: str, identity: Path, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("bagit.txt", "data/README.md"):
            archive.addfile(_member(name))
        last = _member("placeholder" if "\0" in second else second)
        last.pax_headers = {"path": second} if "\0" in second else {}
        archive.addfile(last)
    key = age().x25519.Recipient.from_str(recipient)
    (tmp_path / "evil.age").write_bytes(age().encrypt(buffer.getvalue(), [key]))
    with pytest.raises(ProtectionError, match=f"{what}.*do not trust its sender"):
        decrypt_package(tmp_path / "evil.age", place / "out", identity)
    assert not os.listdir(place)


@pytest.mark.parametrize("content", [b"", b"no tar " * 300, bytes(10240)])
def test_what_holds_no_package(
    content: bytes, place: Path, recipient: str, identity: Path, tmp_path: Path
) -> None:
    key = age().x25519.Recipient.from_str(recipient)
    (tmp_path / "odd.age").write_bytes(age().encrypt(content, [key]))
    with pytest.raises(ProtectionError, match="no package"):
        decrypt_package(tmp_path / "odd.age", place / "out", identity)
    assert not os.listdir(place)


def test_links_in_a_package_are_not_followed(package: Path, tmp_path: Path, recipient: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (package / "data" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ProtectionError, match="plain files alone"):
        encrypt_package(package, [recipient], tmp_path / "p.age")
    assert not list(tmp_path.glob("*p.age*"))
