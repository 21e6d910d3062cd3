"""Which files are still what was written, by the hashes that were noted then."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pathoai.provenance import sha256_of_file

HASHING_THREADS = 4
"""Hashing leaves Python to others; more threads than this wait for the disk."""


def fault_of_file(path: Path, digest: str) -> str:
    """What is wrong with a file, in a few words; empty where it is whole.

    Args:
        path: The file.
        digest: SHA-256 that it should have; empty where there should be none.
    """
    try:
        found = sha256_of_file(path)
    except FileNotFoundError:
        return "missing" if digest else ""
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if found == digest else "altered"


def damaged_files(folder: Path, hashes: Mapping[str, str]) -> dict[str, str]:
    """The files that are not what they should be, each with what is wrong, in the order given.

    Args:
        folder: Where paths start.
        hashes: SHA-256 by path; empty where there should be no file.
    """
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        faults = pool.map(lambda key: fault_of_file(folder / key, hashes[key]), hashes)
        return {key: fault for key, fault in zip(hashes, faults, strict=True) if fault}
