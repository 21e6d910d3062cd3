"""A prediction that is killed once its first shard is finished, and before its last."""

from __future__ import annotations

import time
from itertools import count

from pathoai.inference.predict_slide import tile_plan
from pathoai.inference.predictor import Predictor
from pathoai.progress import Advance
from pathoai.store.slide_store import SlideStore


class KilledError(BaseException):
    """Nobody catches it to clean up."""


def kill_after_one_shard(store: SlideStore, predictor: Predictor) -> Advance:
    """Kills among the tiles of the second shard, once the first is finished."""
    calls = count()
    first = next(tile_plan(store, predictor).steps([(0, 0)]))
    written = store.path / "labels" / "prediction.tiny" / "0" / "c" / "0" / "0"

    def kill(done: int, total: int) -> None:
        if done:
            raise KilledError
        if next(calls) > len(first.tiles) + 1:
            give_up = time.monotonic() + 60
            while not written.exists() and time.monotonic() < give_up:
                time.sleep(0.01)
            time.sleep(0.05)  # what is left of finishing it

    return kill
