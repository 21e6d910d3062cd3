"""Each tampering or omission is found, and has a message of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pathoai.deidentify.deidentify_slide import deidentify_slide
from pathoai.errors import DeidentificationError, ProtectionError
from pathoai.privacy.audit_check import check_trail
from pathoai.privacy.audit_entry import Action
from pathoai.privacy.audit_trail import AuditTrail
from pathoai.study.study import Study
from pathoai_annotations.package.approval import Approval, Criteria
from pathoai_annotations.package.approve import approve_package
from pathoai_annotations.package.build import build_package
from pathoai_annotations.package.protection.encryption import decrypt_package, encrypt_package
from pathoai_annotations.package.protection.keys import (
    make_reading_key,
    make_signing_key,
    public_path,
)
from pathoai_annotations.package.protection.signature import sign_package
from pathoai_annotations.package.release import Release
from pathoai_annotations.package.tier import Tier
from pathoai_annotations.package.verify import verify_package
from tests.annotations.package.derived_mutations import DERIVED_MUTATIONS
from tests.annotations.package.image_mutations import IMAGE_MUTATIONS, other_pixels
from tests.annotations.package.mutations import MUTATIONS, NAMED, edit_json, reseal


def _assert_found(package: Path, message: str) -> None:
    found = [finding.what for finding in verify_package(package).findings]
    assert any(what.startswith(message) for what in found), found


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found_by_its_own_name(package: Path, name: str) -> None:
    mutate, message = MUTATIONS[name]
    assert verify_package(package).ok
    mutate(package)
    _assert_found(package, message)


@pytest.mark.parametrize("name", IMAGE_MUTATIONS)
def test_a_mutation_of_images_is_found_by_its_own_name(imaged: Path, name: str) -> None:
    mutate, message = IMAGE_MUTATIONS[name]
    assert verify_package(imaged).ok
    mutate(imaged)
    _assert_found(imaged, message)


def test_a_careful_forger_of_pixels_is_found_by_them_and_the_approval_alone(imaged: Path) -> None:
    other_pixels(imaged)
    assert [finding.what for finding in verify_package(imaged).findings] == [
        "pixels are not those that were de-identified",
        "the approval is of another content",
    ]


@pytest.mark.parametrize("name", DERIVED_MUTATIONS)
def test_a_mutation_of_a_derived_form_is_found_by_its_own_name(
    derived_package: Path, name: str
) -> None:
    mutate, message = DERIVED_MUTATIONS[name]
    mutate(derived_package)
    _assert_found(derived_package, message)


def test_there_are_enough_and_no_two_are_told_alike() -> None:
    tables = (MUTATIONS, DERIVED_MUTATIONS, RELEASE_MUTATIONS, IMAGE_MUTATIONS)
    messages = [message for table in tables for _, message in table.values()]
    assert len(set(messages)) == len(messages) >= 25


# --- what only its own hospital knows ------------------------------------------------------------

_KNOWN = ["nobody of that name", "MARTINEAU Odile"]


@pytest.mark.parametrize("name", NAMED)
def test_a_word_of_the_hospital_is_found_though_every_hash_is_right(
    package: Path, name: str
) -> None:
    assert verify_package(package, words=_KNOWN).ok
    mutate, where = NAMED[name]
    mutate(package)
    found = verify_package(package, words=_KNOWN).findings
    ours = [f for f in found if f.what == "word 2 of the list stands in it"]
    assert any(f.where.startswith(where) for f in ours), found
    assert "martineau" not in " ".join(map(str, found)).casefold()


# --- what lets a package go, and what protects it ------------------------------------------------

_CRITERIA = Criteria("codes and no dates", "codes of this project alone", "outlines only")


@pytest.fixture
def released(study: Study, tmp_path: Path) -> Path:
    """An open package, approved and signed."""
    release = Release(Tier.OPEN, "DM1", date(2026, 1, 31), with_images=False)
    out = build_package(study, tmp_path / "open", approval=release).path
    approval = Approval("DPO1", "officer", date(2026, 1, 31), date.today(), _CRITERIA)
    approve_package(out, approval)
    make_signing_key(tmp_path / "export.pem")
    sign_package(out, tmp_path / "export.pem")
    assert verify_package(out).ok
    return out


def _approval(**parts: object) -> Callable[[Path], None]:
    return lambda p: edit_json(p / "approval.json", lambda record: record.update(parts))


def _small_count(package: Path) -> None:
    path = package / "data/tables/stains.csv"
    path.write_text(path.read_text("utf8").replace("<11", "2"))


def _another_tier(package: Path) -> None:
    edit_json(package / "data/privacy/release.json", lambda d: d.update(tier="controlled"))
    reseal(package)


def _more_text(package: Path) -> None:
    path = package / "data/README.md"
    path.write_text(path.read_text("utf8") + "More.\n")
    reseal(package)


def _another_signature(package: Path) -> None:
    path = package / "signature.ed25519"
    path.write_text(path.read_text()[::-1])


def _key_that_is_none(package: Path) -> None:
    (package / "signature.pub").write_text("none")


RELEASE_MUTATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no approval": (lambda p: (p / "approval.json").unlink(), "no approval"),
    "approver is the exporter": (
        _approval(approved_by="DM1"),
        "who exports a package cannot approve it",
    ),
    "approver by name": (
        _approval(approved_by="Jane Doe"),
        "the approver is named by a short code",
    ),
    "bad date": (_approval(approved_on="soon"), "not a day"),
    "approved before the last edit": (
        _approval(approved_on="2026-01-31"),
        "annotations were edited after the approval",
    ),
    "opposition in the future": (
        _approval(opposition_date="9999-01-01"),
        "the opposition date lies in the future",
    ),
    "no role": (_approval(role=None), "the approval is not complete"),
    "count below 11": (_small_count, "a count below 11 is shown"),
    "approved for another tier": (_another_tier, "the approval is of another release"),
    "approved for another content": (_more_text, "the approval is of another content"),
    "altered signature": (_another_signature, "the signature does not hold"),
    "key taken away": (lambda p: (p / "signature.pub").unlink(), "half of a signature"),
    "key that is none": (
        _key_that_is_none,
        "the public key of the signature cannot be read",
    ),
}


@pytest.mark.parametrize("name", RELEASE_MUTATIONS)
def test_a_mutation_of_a_release_is_found_by_its_own_name(released: Path, name: str) -> None:
    mutate, message = RELEASE_MUTATIONS[name]
    mutate(released)
    _assert_found(released, message)


def test_signed_by_somebody_else(released: Path, tmp_path: Path) -> None:
    make_signing_key(tmp_path / "other.pem")
    found = verify_package(released, signed_by=public_path(tmp_path / "other.pem")).findings
    assert [f.what for f in found] == ["signed by another key than the one asked for"]


def test_tampered_ciphertext(released: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyrage")
    recipient = make_reading_key(tmp_path / "reader.txt")
    encrypt_package(released, [recipient], tmp_path / "sent.age")
    data = bytearray((tmp_path / "sent.age").read_bytes())
    data[-100] ^= 1
    (tmp_path / "sent.age").write_bytes(bytes(data))
    with pytest.raises(ProtectionError, match="cannot be decrypted, and nothing was written"):
        decrypt_package(tmp_path / "sent.age", tmp_path / "got", tmp_path / "reader.txt")
    assert not (tmp_path / "got").exists()


# --- what lies beside packages -------------------------------------------------------------------


def _trail(study: Study) -> AuditTrail:
    trail = AuditTrail.open(study)
    for number in range(4):
        trail.append(Action.EXPORT, "R1", {"number": number})
    return trail


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ((0, 1, 2), "its end was cut off"),
        ((0, 2, 1, 3), "they were reordered"),
        ((0, 2, 3), "missing: deleted"),
    ],
)
def test_an_audit_trail(study: Study, keep: tuple[int, ...], message: str) -> None:
    trail = _trail(study)
    assert not list(check_trail(trail))
    lines = trail.lines()
    trail.path.write_bytes(b"".join(lines[number] for number in keep))
    assert any(message in finding for finding in check_trail(trail))


def test_a_re_encoded_pixel_of_a_copy_that_may_leave(
    generated: tuple[Path, object], tmp_path: Path
) -> None:
    slide, _ = generated
    code = "0123456789ABCDEF"
    done = deidentify_slide(slide, tmp_path, code=code, uid_key=bytes(32))
    copy = done.path
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(bytes(data))
    with pytest.raises(DeidentificationError, match="not as it was written"):
        deidentify_slide(slide, tmp_path, code=code, uid_key=bytes(32))
