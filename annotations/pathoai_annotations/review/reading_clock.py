"""Seconds of attention on a slide and on its regions, not how long a window was open.

Time counts while the window has the focus, and until some while after the last sign of life: who
looks at a region for a minute without a key is reading, who does so for ten has left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from pathoai.errors import InvalidValueError

IDLE_LIMIT_S = 60.0


class ReadingClock:
    """Counts, for one slide, as it is told what happens; it looks at no clock itself.

    Args:
        now: Seconds of a monotonic clock, as in all its methods.
        idle_limit_s: How long time goes on to count without a sign of life.

    Raises:
        InvalidValueError: The limit is not positive.
    """

    def __init__(self, now: float, *, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        """Begin with the focus, outside of any region; opening the slide is a sign of life."""
        if not idle_limit_s > 0:
            raise InvalidValueError("idle limit", found=idle_limit_s, allowed="more than 0 s")
        self._idle_limit_s = idle_limit_s
        self._has_focus = True
        self._region: Hashable | None = None
        self._alive_at = self._counted_to = now
        self._spent: dict[Hashable | None, float] = defaultdict(float)
        self._told: dict[Hashable | None, float] = defaultdict(float)

    def touch(self, now: float) -> None:
        """A key, a click, a turn of the wheel: the reader is there."""
        self._count(now)
        self._alive_at = now

    def focus(self, now: float, has_focus: bool) -> None:
        """The window got the focus, which is a sign of life, or lost it."""
        self._count(now)
        self._has_focus = has_focus
        if has_focus:
            self._alive_at = now

    def enter(self, now: float, region: Hashable | None) -> None:
        """From now on time is that of a region, or, where None, of the slide alone.

        Args:
            now: When; going to a region is a sign of life.
            region: Any name of it; entered again, its time goes on.
        """
        self.touch(now)
        self._region = region

    def region_seconds(self, now: float, region: Hashable) -> float:
        """Spent on a region so far."""
        self._count(now)
        return self._spent[region]

    def slide_seconds(self, now: float) -> float:
        """Spent on the slide so far, its regions included."""
        self._count(now)
        return sum(self._spent.values())

    def tell_region(self, now: float, region: Hashable) -> float:
        """Seconds of a region that were not told yet; from now on they were."""
        self._count(now)
        return self._tell(region)

    def tell_rest(self, now: float) -> float:
        """Seconds of the slide that were not told yet, as of any region; from now on they were."""
        self._count(now)
        return sum(self._tell(region) for region in list(self._spent))

    def _tell(self, region: Hashable | None) -> float:
        new = self._spent[region] - self._told[region]
        self._told[region] = self._spent[region]
        return new

    def _count(self, now: float) -> None:
        if now < self._counted_to:
            raise InvalidValueError(
                "a monotonic clock went back", found=now, allowed=f"{self._counted_to} or later"
            )
        if self._has_focus:
            end = min(now, self._alive_at + self._idle_limit_s)
            self._spent[self._region] += max(0.0, end - self._counted_to)
        self._counted_to = now
