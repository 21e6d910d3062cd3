"""What shards saw, kept until it is put together: a killed run goes on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pathoai.atomic_file import write_bytes_atomically
from pathoai.errors import StoreError
from pathoai.inference.blocks import Blocks
from pathoai.store.shards import Shard

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeptBlocks:
    """A file for each shard, ``(H, W)`` uint32 of what it sees, with the SHA-256 of its content.

    Args:
        folder: Of these files; no other's.
        key: What they depend on, as a hash: files of another key are thrown away.
        blocks: The shards.
    """

    folder: Path
    key: str
    blocks: Blocks

    def begin(self) -> None:
        """Make the folder, and throw away what was computed under another key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in self.folder.iterdir():
            if other.name != self.key:
                shutil.rmtree(other)
        (self.folder / self.key).mkdir(exist_ok=True)

    def has(self, shard: Shard) -> bool:
        """True where the file is there and whole."""
        return self._content(shard) is not None

    def read(self, shard: Shard) -> NDArray[np.uint32]:
        """What a shard saw.

        Raises:
            StoreError: It is not there, or damaged.
        """
        content = self._content(shard)
        if content is None:
            raise StoreError(
                "what a shard saw was lost before it was put together",
                where=f"shard {shard[0]}/{shard[1]}",
                remedy="run the command again; it makes this part anew",
            )
        rows, columns = self.blocks.seen(shard)
        values = np.frombuffer(imagecodecs.zstd_decode(content), "<u4")
        return values.reshape(rows.stop - rows.start, columns.stop - columns.start)

    def write(self, shard: Shard, numbers: NDArray[np.uint32]) -> None:
        """Keep what a shard saw; it is whole or not there."""
        content = bytes(imagecodecs.zstd_encode(numbers.astype("<u4").tobytes(), 1))
        write_bytes_atomically(self._path(shard), hashlib.sha256(content).digest() + content)

    def forget(self) -> None:
        """Remove all files, once everything is put together."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _content(self, shard: Shard) -> bytes | None:
        try:
            data = self._path(shard).read_bytes()
        except FileNotFoundError:
            return None
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == digest else None

    def _path(self, shard: Shard) -> Path:
        return self.folder / self.key / f"{shard[0]}.{shard[1]}"
