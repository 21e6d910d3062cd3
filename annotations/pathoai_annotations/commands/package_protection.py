"""``pathoai package keygen|sign|encrypt|decrypt``: who signed a package, and who can read it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pathoai.cli.command import add_action
from pathoai_annotations.commands.package_trail import add_study

_EXAMPLES = {
    "keygen": "pathoai package keygen ~/keys/export.pem",
    "sign": "pathoai package sign my-package --key ~/keys/export.pem",
    "encrypt": "pathoai package encrypt my-package my-package.age --to age1…",
    "decrypt": "pathoai package decrypt my-package.age my-package --identity ~/keys/reader.txt",
}


def add_words(words: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add the words to ``pathoai package``; each sets ``package_run``."""
    keygen = _word(words, "keygen", "make a key that signs, or one that reads", _keygen)
    keygen.add_argument("file", type=Path, metavar="FILE", help="the private key; FILE.pub beside")
    keygen.add_argument(
        "--for",
        dest="purpose",
        choices=("signing", "reading"),
        default="signing",
        help="signing (default), or reading what others encrypt to you",
    )
    sign = _word(words, "sign", "sign a package that verifies", _sign)
    sign.add_argument("out", type=Path, metavar="OUT", help="the folder of the package")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key")
    add_study(sign)
    _add_encrypt(words)
    _add_decrypt(words)


def _add_encrypt(words: Any) -> None:  # noqa: ANN401 - likewise
    encrypt = _word(words, "encrypt", "encrypt a package that verifies (needs [fair])", _encrypt)
    encrypt.add_argument("package", type=Path, metavar="PACKAGE", help="the folder of the package")
    encrypt.add_argument("out", type=Path, metavar="FILE.age", help="the file to make")
    encrypt.add_argument(
        "--to",
        dest="recipients",
        action="append",
        required=True,
        metavar="RECIPIENT",
        help="a public key: age1…, or 'ssh-ed25519 …'; may be given more than once",
    )
    add_study(encrypt)


def _add_decrypt(words: Any) -> None:  # noqa: ANN401 - likewise
    decrypt = _word(words, "decrypt", "decrypt a package (needs [fair])", _decrypt)
    decrypt.add_argument("file", type=Path, metavar="FILE.age", help="the encrypted package")
    decrypt.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    decrypt.add_argument(
        "--identity", type=Path, required=True, metavar="FILE", help="your private key"
    )


def _word(
    words: Any,  # noqa: ANN401 - likewise
    name: str,
    summary: str,
    action: Callable[[Namespace], None],
) -> ArgumentParser:
    parser = add_action(words, name, summary, _EXAMPLES[name])
    parser.set_defaults(package_run=action)
    return parser


def _keygen(options: Namespace) -> None:
    from pathoai_annotations.package.protection import keys

    private, public = options.file.name, keys.public_path(options.file).name
    if options.purpose == "signing":
        print(f"fingerprint {keys.make_signing_key(options.file)}")
        print(f"keep {private}; give {public} to those who check, and tell them the fingerprint")
    else:
        print(f"recipient {keys.make_reading_key(options.file)}")
        print(f"keep {private}, with a copy in a safe place; give {public} to those who send")


def _sign(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai_annotations.commands.package_trail import enter, study_of
    from pathoai_annotations.package.protection.signature import SIGNATURE_FILES, sign_package

    # Where all else holds, a signature that no longer does is what signing anew mends.
    _require_verified(options.out, except_for=SIGNATURE_FILES)
    study = study_of(options, options.out)
    key = sign_package(options.out, options.key)
    enter(study, Action.KEY, options.out, signed_with=key)
    print(f"signed: key {key}")


def _encrypt(options: Namespace) -> None:
    from pathoai.privacy.audit_entry import Action
    from pathoai_annotations.commands.package_trail import enter, study_of
    from pathoai_annotations.package.protection.encryption import encrypt_package

    _require_verified(options.package)
    study = study_of(options, options.package)
    encrypt_package(options.package, options.recipients, options.out)
    enter(study, Action.KEY, options.package, recipients=str(len(options.recipients)))
    print(f"{options.out.name}: encrypted to {len(options.recipients)} recipients")


def _decrypt(options: Namespace) -> None:
    from pathoai_annotations.package.protection.encryption import decrypt_package

    decrypt_package(options.file, options.out, options.identity)
    print(f"decrypted: now run `pathoai package verify {options.out.name}`")


def _require_verified(package: Path, except_for: tuple[str, ...] = ()) -> None:
    from pathoai.errors import PackageError
    from pathoai_annotations.package.verify import verify_package

    findings = [f for f in verify_package(package).findings if f.where not in except_for]
    if findings:
        raise PackageError(
            "only a package that verifies is signed or encrypted",
            where=package.name,
            found=f"{len(findings)} findings, the first: {findings[0].where}: {findings[0].what}",
            remedy="run `pathoai package verify` and mend what it finds",
        )
