"""Which extra of this distribution brings a package, told by the distribution itself."""

from __future__ import annotations

import re
from importlib import metadata

from pathoai.errors import MissingDependencyError

_OURS = "pathoai"
_DISTRIBUTION_OF = {"cv2": "opencv-python-headless", "dask": "distributed"}
"""Of modules that are not called as what brings them."""

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:[^;]*;.*extra == ['\"](?P<extra>[\w-]+)['\"])?")


def missing_dependency(
    error: ModuleNotFoundError, *, where: str | None = None
) -> MissingDependencyError | None:
    """What to tell a user whose installation lacks a module.

    Args:
        error: What Python said.
        where: What needs it, as the user knows it.

    Returns:
        None where no extra brings it: then it is our mistake.
    """
    module = (error.name or "").partition(".")[0]
    distribution = _normalised(_DISTRIBUTION_OF.get(module, module))
    packages = _packages_of_extras()
    bringing = [extra for extra, names in packages.items() if distribution in names]
    if not bringing:
        return None
    # The least that will do; of equals the one that bears its name.
    least = min(bringing, key=lambda extra: (len(packages[extra]), extra != distribution))
    return _missing(distribution, "" if "" in bringing else least, where)


def require(extra: str) -> None:
    """Look whether an extra is installed, before work is begun that needs it.

    Args:
        extra: Its name.

    Raises:
        MissingDependencyError: A package of it is not installed.
    """
    for name in _packages_of_extras()[extra]:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            raise _missing(name, extra) from None


def _missing(distribution: str, extra: str, where: str | None = None) -> MissingDependencyError:
    wanted = f"{_OURS}[{extra}]" if extra else _OURS
    return MissingDependencyError(
        "a package is not installed",
        where=where,
        found=distribution,
        remedy=f"pip install '{wanted}'",
    )


def _packages_of_extras() -> dict[str, list[str]]:
    """Distributions of each extra; those of the core under an empty name."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires(_OURS) or ():
        match = _REQUIREMENT.match(requirement)
        if match is not None:
            found.setdefault(match["extra"] or "", []).append(_normalised(match["name"]))
    return found


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
