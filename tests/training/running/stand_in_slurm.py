"""In place of sbatch, srun and scontrol: runs a job as SLURM would, and asks it to leave once.

Called as ``stand_in_slurm.py sbatch …``. Files lie in the folder ``STAND_IN``: ``job.sh``, what
SLURM was told (``requeued``), ``wait-for``, which names the file at whose sight the job is asked to
leave, and ``asked``, once it was.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["STAND_IN"])
JOB = "4321"


def sbatch() -> int:
    """Take a job from standard input, and run it in the background until it is not requeued."""
    if sys.argv[2:] != ["--parsable"]:
        sys.stderr.write("sbatch: error: not understood\n")
        return 1
    (FOLDER / "job.sh").write_text(sys.stdin.read(), "utf8")
    sys.stdout.write(f"{JOB};cluster\n")
    sys.stdout.flush()
    if os.fork():
        return 0
    os.setsid()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", (FOLDER / "job.sh").read_text(), re.M))
    nodes, tasks = int(options["nodes"]), int(options["ntasks-per-node"])
    log = Path(options["output"].strip('"').replace("%j", JOB))
    about = {
        "SLURM_JOB_ID": JOB,
        "SLURM_JOB_NAME": options["job-name"],
        "SLURM_NNODES": str(nodes),
        "SLURM_NTASKS": str(nodes * tasks),
        "SLURM_NTASKS_PER_NODE": str(tasks),
        "SLURM_NODELIST": "localhost",
    }
    requeued = FOLDER / "requeued"
    for start in range(3):
        (FOLDER / "starts").write_text(str(start + 1))
        environment = os.environ | about | {"SLURM_RESTART_COUNT": str(start)}
        with log.open("ab") as out:
            words = ["bash", str(FOLDER / "job.sh")]
            code = subprocess.call(words, env=environment, stdout=out, stderr=out)
        if not requeued.exists():
            break
        requeued.rename(FOLDER / f"requeued-{start}")
    (FOLDER / "ended").write_text(str(code))
    os._exit(0)


def srun() -> int:
    """One process per task; all are asked to leave, and one that fails ends the others."""
    words = [word for word in sys.argv[2:] if word != "--kill-on-bad-exit=1"]
    tasks, each = int(os.environ["SLURM_NTASKS"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
    running = []
    for task in range(tasks):
        place = {"PROCID": task, "LOCALID": task % each, "NODEID": task // each, "STEP_ID": 0}
        environment = os.environ | {f"SLURM_{key}": str(value) for key, value in place.items()}
        running.append(subprocess.Popen(words, env=environment))
    sight, asked = FOLDER / "wait-for", False
    while (codes := [process.poll() for process in running]).count(None):
        if not asked and sight.exists() and Path(sight.read_text()).exists():
            asked = True
            sight.unlink()
            for process in running:
                process.send_signal(signal.SIGUSR1)
            (FOLDER / "asked").touch()
        if any(codes):
            time.sleep(5)
            for process in running:
                process.kill()
        time.sleep(0.005)
    return max(abs(code or 0) for code in codes)


def scontrol() -> int:
    """Note what is to be requeued."""
    (FOLDER / "requeued").write_text(" ".join(sys.argv[2:]))
    return 0


if __name__ == "__main__":
    sys.exit({"sbatch": sbatch, "srun": srun, "scontrol": scontrol}[sys.argv[1]]())
