"""SLURM's own program that takes jobs."""

from __future__ import annotations

import subprocess

from pathoai.errors import ClusterError


def sbatch(script: str, *options: str, remedy: str) -> str:
    """Give a job to SLURM, or ask whether it would take it.

    Args:
        script: Of the job.
        options: Of the program, e.g. ``--test-only``.
        remedy: What to do where SLURM refuses.

    Returns:
        What it prints.

    Raises:
        ClusterError: It refuses the job.
    """
    answer = subprocess.run(
        ["sbatch", *options], input=script, text=True, capture_output=True, check=False
    )
    if answer.returncode != 0:
        raise ClusterError(
            "SLURM refuses the job",
            where="--cluster slurm",
            found=answer.stderr.strip(),
            remedy=remedy,
        )
    return answer.stdout.strip()
