"""The score interval of a share.

Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc
1927;22:209-212.
"""

from __future__ import annotations

import math

from pathoai.errors import InvalidValueError

_Z_95 = 1.959963984540054


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """Limits of the 95 % interval of a share, 0 to 1.

    Unlike the interval of the normal distribution it stays within 0 and 1, and has a width where
    none or all were counted.

    Args:
        count: Cases.
        total: Of all, 1 or more.

    Raises:
        InvalidValueError: Negative, more than all, or of none.
    """
    if not 0 <= count <= total or total < 1:
        raise InvalidValueError(
            "a share of cases", found=f"{count} of {total}", allowed="0 ≤ count ≤ total, 1 ≤ total"
        )
    share, squared = count / total, _Z_95**2
    middle = (share + squared / (2 * total)) / (1 + squared / total)
    spread = share * (1 - share) / total + squared / (4 * total**2)
    half = _Z_95 * math.sqrt(spread) / (1 + squared / total)
    # Rounding must not leave the share itself outside where none or all were counted.
    return (
        0.0 if count == 0 else max(0.0, middle - half),
        1.0 if count == total else min(1.0, middle + half),
    )
