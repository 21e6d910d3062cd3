"""What may not lie in a file that leaves: words of the machine and of the folder it was made in."""

from __future__ import annotations

import socket
from pathlib import Path


def machine_words_in(path: Path) -> list[str]:
    """Those that a file, or any file of a folder, holds."""
    words = [path.parent.name, str(path.parent), str(Path.home()), socket.gethostname()]
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    contents = [file.read_bytes() for file in files]
    # A short name could stand in any bytes by chance.
    wanted = [word for word in words if len(word) > 4]
    return [word for word in wanted if any(word.encode() in content for content in contents)]
