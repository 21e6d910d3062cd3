"""The one place that loads pyrage, the library of the age format (age-encryption.org/v1)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import IO, Protocol

from pathoai.errors import MissingDependencyError


def age() -> ModuleType:
    """The library.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return import_module("pyrage")
    except ImportError as error:
        raise MissingDependencyError(
            "encrypting and decrypting need the package pyrage",
            remedy="pip install 'pathoai[fair]'",
        ) from error


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class NotedStream:
    """A stream that keeps the error it raised: pyrage passes on its text alone.

    Args:
        stream: What is read from, or written to.
    """

    def __init__(self, stream: _Readable | IO[bytes]) -> None:
        """Nothing is read or written yet."""
        self._stream = stream
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """As the stream does."""
        try:
            return self._stream.read(size)
        except BaseException as error:
            self.failure = error
            raise

    def write(self, data: bytes) -> int:
        """As the stream does."""
        try:
            return self._stream.write(data)  # type: ignore[union-attr]  # only a file is written to
        except BaseException as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """As the stream does."""
        self._stream.flush()  # type: ignore[union-attr]  # likewise


def raise_first(streams: Sequence[NotedStream]) -> None:
    """Raise the error that a stream kept, as it was; nothing happens where there is none."""
    for stream in streams:
        if stream.failure is not None:
            raise stream.failure
