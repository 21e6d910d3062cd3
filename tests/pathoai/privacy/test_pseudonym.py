"""Codes cannot be reversed or linked without the key, and the key is its owner's alone."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathoai.errors import InvalidValueError, StudyError
from pathoai.privacy.identifier import normalised
from pathoai.privacy.pseudonym import (
    Kind,
    StudySecret,
    code,
    codes_of_all_spellings,
    is_code,
    load_or_create_key,
    load_or_create_secret,
    vault_folder,
    write_secret_once,
)

_KEY, _OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


def test_a_code_is_hmac_sha256_in_crockfords_base_32() -> None:
    """Computed here bit by bit, by the definition."""
    digest = hmac.new(_KEY, b"patient\0DUPONT Jeanne", hashlib.sha256).digest()
    assert code(_KEY, "patient", "DUPONT Jeanne") == _code_of(digest)


@given(st.text(), st.text())
def test_codes_differ_by_identifier_kind_and_key(one: str, other: str) -> None:
    found = code(_KEY, "term", one)
    assert is_code(found)
    assert found == code(_KEY, "term", one)
    assert (found == code(_KEY, "term", other)) == (one == other)
    assert found != code(_KEY, "slide", one)
    assert found != code(_OTHER_KEY, "term", one)


_IDENTIFIER = st.text().filter(lambda text: len(text.strip().splitlines()) < 2)


@given(_IDENTIFIER, st.sampled_from(("patient", "specimen", "block", "centre")))
def test_every_spelling_of_an_identifier_has_one_code(text: str, kind: Kind) -> None:
    one = normalised(text)
    assert normalised(one) == one
    for form in ("NFC", "NFD"):
        typed = f"\t {unicodedata.normalize(form, text)}\u00a0"
        assert code(_KEY, kind, typed) == code(_KEY, kind, text)
    # What a study made before there was one spelling was given: as typed, composed or apart.
    codes = codes_of_all_spellings(_KEY, kind, text)
    before = [hmac.digest(_KEY, f"{kind}\0{t}".encode(), "sha256") for t in _before(text)]
    assert codes[0] == code(_KEY, kind, text)
    assert {_code_of(digest) for digest in before} <= set(codes)


def _before(text: str) -> list[str]:
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    return [text, text.strip(), *forms, *(form.strip() for form in forms)]


def _code_of(digest: bytes) -> str:
    """The code by its definition, five bits a character."""
    bits = "".join(f"{byte:08b}" for byte in digest)[:80]
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[int(bits[i : i + 5], 2)] for i in range(0, 80, 5))


def test_letters_and_the_order_of_words_tell_people_apart() -> None:
    names = ("Dupont Jeanne", "DUPONT Jeanne", "Jeanne Dupont", "DupontJeanne", "Dupont Jeanné")
    assert len({code(_KEY, "patient", name) for name in names}) == len(names)
    assert code(_KEY, "patient", "Dupont \u00a0 Jeanne") == code(_KEY, "patient", names[0])


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\u2028", "\x85"])
def test_a_line_break_in_an_identifier_is_refused_and_not_repeated(mark: str) -> None:
    with pytest.raises(InvalidValueError, match="one line of text") as caught:
        code(_KEY, "patient", f"Dupont{mark}Martin")
    assert "Dupont" not in str(caught.value)


def test_kind_and_identifier_cannot_be_confused() -> None:
    assert code(_KEY, "slide", "x") != code(_KEY, "slide", "\0x")


@pytest.mark.parametrize(
    "text", ["", "DUPONT", "0123456789ABCDE", "0123456789ABCDEFG", "0" * 15 + "I"]
)
def test_other_texts_are_no_codes(text: str) -> None:
    assert not is_code(text)


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    key = load_or_create_key(vault)
    assert len(key) == 32
    assert load_or_create_key(vault) == key
    assert stat.S_IMODE((vault / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    assert load_or_create_key(tmp_path / "other") != key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o777])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    load_or_create_key(tmp_path)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(StudyError, match=rf"{mode:04o}.*0600.*chmod 600"):
        load_or_create_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"00" * 31, b"\xff\xfe" * 40])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    load_or_create_key(tmp_path)
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(StudyError, match=r"damaged.*Remedy: restore"):
        load_or_create_key(tmp_path)
    assert (tmp_path / "key").read_bytes() == content


def test_no_key_is_made_where_codes_exist(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"key is not here.*PATHOAI_VAULT"):
        load_or_create_key(tmp_path, may_create=False)
    assert not list(tmp_path.iterdir())


def test_the_vault_lies_where_the_user_says_or_in_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATHOAI_VAULT", str(tmp_path))
    assert vault_folder("uuid") == tmp_path / "uuid"
    monkeypatch.delenv("PATHOAI_VAULT")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert vault_folder("uuid").parts[-3:] == ("pathoai", "vault", "uuid")


def test_a_key_is_derived_by_hkdf_for_one_purpose_in_one_project() -> None:
    """Computed here by the definition of RFC 5869: extract, then expand by one block."""
    extracted = hmac.new(bytes(32), _KEY, hashlib.sha256).digest()
    info = b"pathoai audit\0" + b"project-1"
    expected = hmac.new(extracted, info + b"\1", hashlib.sha256).digest()
    assert StudySecret(_KEY, "project-1").subkey("audit") == expected


def test_codes_of_two_projects_cannot_be_linked_even_with_one_secret(tmp_path: Path) -> None:
    keys = [load_or_create_key(tmp_path / project) for project in ("one", "two")]
    (tmp_path / "copied").mkdir()
    shutil.copy2(tmp_path / "one" / "key", tmp_path / "copied" / "key")
    keys.append(load_or_create_key(tmp_path / "copied"))
    identifiers = [f"patient {number}" for number in range(200)]
    codes = [{code(key, "patient", one) for one in identifiers} for key in keys]
    assert [len(found) for found in codes] == [200, 200, 200]
    assert not codes[0] & codes[1]
    assert not codes[0] & codes[2]


def test_a_study_from_before_keys_were_derived_keeps_its_codes(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(_KEY.hex())
    (tmp_path / "key").chmod(0o600)
    assert load_or_create_key(tmp_path) == _KEY
    assert load_or_create_secret(tmp_path).subkey("audit") != _KEY


@pytest.mark.parametrize("word", ["hkdf-sha512", "hkdf-sha256 hkdf-sha256"])
def test_another_derivation_is_refused(tmp_path: Path, word: str) -> None:
    (tmp_path / "key").write_text(f"{word}\n{_KEY.hex()}")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(StudyError, match=r"damaged.*hkdf-sha256 and 64"):
        load_or_create_key(tmp_path)


def test_a_key_that_was_made_meanwhile_stays(tmp_path: Path) -> None:
    write_secret_once(tmp_path / "key", "first")
    write_secret_once(tmp_path / "key", "second")
    assert (tmp_path / "key").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
