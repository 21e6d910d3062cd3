"""What of a user's file a message may repeat: keys and codes, never a text that may be a name."""

from __future__ import annotations

import re

from pathoai.privacy.pseudonym import is_code

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")


def shown(text: str) -> str:
    """The text where it is of the form of a key or a code; else how long it is.

    Messages go into the logs of clusters and terminals, which nobody keeps as a vault.
    """
    return text if _KEY.fullmatch(text) or is_code(text) else f"a text of {len(text)} characters"
