"""How FAIR a package is: the 17 metrics of FAIRsFAIR (version 0.8, as F-UJI has them), offline.

F-UJI harvests a landing page over the network from a registered identifier, which a package has
only after its deposit. Here each metric is examined on the files; what only a repository can bring
is told apart from what is wrong.
"""

from __future__ import annotations

from pathlib import Path

from pathoai_annotations.package.fair.accessible import ACCESSIBLE
from pathoai_annotations.package.fair.documents import Documents
from pathoai_annotations.package.fair.findable import FINDABLE
from pathoai_annotations.package.fair.interoperable import INTEROPERABLE
from pathoai_annotations.package.fair.metric import FairRow, row
from pathoai_annotations.package.fair.reusable import REUSABLE
from pathoai_annotations.package.verify import require_package

METRICS = (*FINDABLE, *ACCESSIBLE, *INTEROPERABLE, *REUSABLE)


def fair_check(path: Path) -> tuple[FairRow, ...]:
    """Examine a package.

    Args:
        path: The bag's folder.

    Returns:
        A row for each metric, in the order of F, A, I, R.

    Raises:
        MissingFileError: Nothing lies there.
        PackageError: What lies there is no package.
    """
    require_package(path)
    documents = Documents(path)
    return tuple(row(metric, documents) for metric in METRICS)
