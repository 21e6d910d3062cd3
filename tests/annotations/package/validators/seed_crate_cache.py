"""Fill the HTTP cache of rocrate-validator with the one context that packages name.

Run by the Python that has the validators: ``python seed_crate_cache.py CACHE``. The context is what
the library ``rocrate`` ships, so nothing is fetched: every other address fails.
"""

from __future__ import annotations

import io
import sys
from importlib import resources
from typing import Any
from unittest.mock import patch

import requests
import urllib3
from requests.adapters import HTTPAdapter
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.3/context"


def answer(adapter: Any, request: Any, *_: object, **__: object) -> Any:  # noqa: ANN401 - untyped there
    """The context for its address, in place of what the network would say."""
    if request.url != CONTEXT:
        raise requests.ConnectionError(f"no network: {request.url}")
    content = (resources.files("rocrate") / "data" / "ro-crate.jsonld").read_bytes()
    raw = urllib3.HTTPResponse(
        io.BytesIO(content),
        {"Content-Type": "application/ld+json"},
        status=200,
        preload_content=False,
        request_url=CONTEXT,
    )
    return adapter.build_response(request, raw)


def main() -> None:
    # For every session: the validator makes its own.
    with patch.object(HTTPAdapter, "send", answer):
        HttpRequester.initialize_cache(cache_path=sys.argv[1])
        HttpRequester().get(CONTEXT).raise_for_status()


if __name__ == "__main__":
    main()
