"""Accessible: conditions of access, and what a repository has to resolve."""

from __future__ import annotations

import re

from pathoai_annotations.package import layout
from pathoai_annotations.package.fair.documents import Documents, listed
from pathoai_annotations.package.fair.findable import has_doi
from pathoai_annotations.package.fair.metric import Metric
from pathoai_annotations.package.tier import Tier

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_OPEN_PROTOCOLS = {"http", "https"}


def tier_of(documents: Documents) -> Tier | None:
    """The tier whose words the crate states; None where it states no tier's."""
    words = documents.crate.get("conditionsOfAccess")
    return next((tier for tier in Tier if tier.access.words == words), None)


def _access(documents: Documents) -> str:
    tier = tier_of(documents)
    if tier is None:
        return f"{layout.METADATA} states no level of access"
    access = tier.access
    if f"dct:accessRights <{access.access_right}>" not in documents.text(layout.HEALTHDCAT):
        return f"{layout.HEALTHDCAT} states another access right than {layout.METADATA}"
    if documents.croissant.get("usageInfo") != access.duo:
        return f"{layout.CROISSANT} states another condition of use (DUO)"
    return ""


def _landing_page(documents: Documents) -> str:
    """What an identifier resolves to is the landing page: it must lead on to the metadata."""
    targets = [href for rel, href in documents.page.links if rel == "describedby"]
    if layout.METADATA not in targets:
        return f"{layout.LANDING_PAGE} does not lead to {layout.METADATA}"
    missing = [target for target in targets if target not in documents.files]
    return f"{layout.LANDING_PAGE} leads to what is not there" if missing else ""


def _protocols(documents: Documents) -> str:
    distribution = listed(documents.croissant.get("distribution"))
    addresses = [str(one["contentUrl"]) for one in distribution if "contentUrl" in one]
    if not addresses:
        return f"{layout.CROISSANT} says of no file where it is"
    schemes = {match[1].lower() for address in addresses if (match := _SCHEME.match(address))}
    other = schemes - _OPEN_PROTOCOLS
    return f"files are named under protocols that are not open: {', '.join(other)}" if other else ""


def _authorisation(documents: Documents) -> str:
    """Who must be asked: the same in words and for machines."""
    tier, free = tier_of(documents), documents.dataset.get("isAccessibleForFree")
    if tier is None or documents.dataset.get("conditionsOfAccess") != tier.access.words:
        return f"{layout.LANDING_PAGE} does not say under which conditions the data are given"
    if free is not tier.access.is_free:
        return f"{layout.LANDING_PAGE} says otherwise than its words whether access is free"
    return ""


ACCESSIBLE = (
    Metric("FsF-A1-01M", "level and conditions of access", _access),
    Metric("FsF-A1-02MD", "identifiers that resolve", _landing_page, has_doi),
    Metric("FsF-A1.1-01MD", "standard protocols", _protocols, has_doi),
    Metric("FsF-A1.2-01MD", "protocols with authorisation", _authorisation, has_doi),
)
