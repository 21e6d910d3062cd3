"""Workers as SLURM jobs: the script that SLURM would get, and a stand-in that runs it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import dask.config
import pytest
from distributed import Client

from pathoai.cluster import slurm
from pathoai.cluster.connect import ClusterChoice, connected
from pathoai.cluster.run_on_workers import run_on_workers
from pathoai.cluster.slurm import slurm_cluster
from pathoai.cluster.work_item import Status
from pathoai.errors import ClusterError, InvalidValueError, MissingFileError, PathoaiError
from tests.pathoai.cluster import errands

_SETTINGS = """
queue: pathology
account: study-7
cores: 3
memory: 5GB
walltime: "12:00:00"
interface: lo
job-extra-directives: ["--gres=gpu:1"]
scheduler-options: {dashboard_address: "127.0.0.1:0"}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A user's settings of jobs, whose scheduler stays on this machine."""
    path = tmp_path / "slurm.yaml"
    path.write_text(_SETTINGS)
    return path


def test_the_job_script_asks_for_what_the_user_stated(settings: Path) -> None:
    with slurm_cluster(settings) as cluster:
        script = cluster.job_script()
    lines = script.splitlines()
    for line in (
        "#SBATCH -p pathology",
        "#SBATCH -A study-7",
        "#SBATCH --cpus-per-task=3",
        "#SBATCH --mem=5G",
        "#SBATCH -t 12:00:00",
        "#SBATCH --gres=gpu:1",
    ):
        assert line in lines
    # One slide at a time in a job, with all its cores.
    assert f"{sys.executable} -m distributed.cli.dask_worker tcp://127.0.0.1:" in script
    assert "--nthreads 3" in script
    assert "--nworkers" not in script


def test_a_job_on_a_gpu_asks_for_it_and_its_worker_says_so(settings: Path) -> None:
    with slurm_cluster(settings, device="auto") as cluster:
        assert "--resources GPU=1" in cluster.job_script()
    settings.write_text(_SETTINGS.replace('job-extra-directives: ["--gres=gpu:1"]', ""))
    with slurm_cluster(settings, device="auto") as cluster:
        assert "GPU" not in cluster.job_script()
    with slurm_cluster(settings, device="cuda") as cluster:
        script = cluster.job_script()
    assert "#SBATCH --gres=gpu:1" in script.splitlines()
    assert "--resources GPU=1" in script


def test_the_users_dask_configuration_counts_and_the_file_goes_first(settings: Path) -> None:
    settings.write_text("queue: mine\ninterface: lo\n")
    theirs = {"jobqueue.slurm.queue": "theirs", "jobqueue.slurm.walltime": "02:00:00"}
    both = {"jobqueue.slurm.cores": 4, "jobqueue.slurm.memory": "8GB"}
    quiet = {"jobqueue.slurm.scheduler-options": {"dashboard_address": "127.0.0.1:0"}}
    with dask.config.set(theirs | both | quiet), slurm_cluster(settings) as cluster:
        lines = cluster.job_script().splitlines()
    assert "#SBATCH -p mine" in lines
    assert "#SBATCH -t 02:00:00" in lines
    assert "#SBATCH --cpus-per-task=4" in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cores: 4\nmemry: 5GB\n", "found memry; allowed: account, cores"),
        ("cores: 4\n", "needs cores and memory"),
        ("[1, 2]", "found no keys"),
        ("cores: [", "not a YAML file"),
        ("cores: 4\nmemory: 5GB\nwalltime: 12:00:00\n", "in quotes"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Path, text: str, message: str) -> None:
    settings.write_text(text)
    with pytest.raises(InvalidValueError, match=message):
        slurm_cluster(settings)


def test_a_file_of_settings_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"found absent\.yaml"):
        slurm_cluster(tmp_path / "absent.yaml")


def test_ctrl_c_means_what_it_meant_before(settings: Path) -> None:
    """Importing dask_jobqueue makes it a plain exit; an earlier test may have imported it."""
    program = "import signal, sys; from pathlib import Path\n" + (
        "before = signal.getsignal(signal.SIGINT)\n"
        "from pathoai.cluster.slurm import slurm_cluster\n"
        "slurm_cluster(Path(sys.argv[1])).close(); import dask_jobqueue.runner\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
    )
    subprocess.run([sys.executable, "-c", program, str(settings)], check=True)


def test_a_machine_without_slurm_says_so(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="no program sbatch"), _slurm(settings):
        pass


def _slurm(settings: Path) -> AbstractContextManager[Client]:
    return connected(ClusterChoice("slurm", workers=1, config=settings))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in place of sbatch and scancel, which run a job's script as SLURM would."""
    programs = tmp_path / "programs"
    programs.mkdir()
    jobs = tmp_path / "jobs"
    (programs / "sbatch").write_text(
        # SLURM too keeps a copy of the script.
        '#!/bin/sh\n[ "$1" = --test-only ] && exit 0\n'
        f'cp "$1" "{tmp_path}/job.sh"\n'
        f'setsid sh "{tmp_path}/job.sh" >"{tmp_path}/job.log" 2>&1 &\n'
        f'echo "$!" >>"{jobs}"; echo "Submitted batch job $!"\n'
    )
    (programs / "scancel").write_text('#!/bin/sh\nkill -- "-$1"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return jobs


def test_jobs_do_the_work_and_are_cancelled_at_the_end(
    settings: Path, stand_in: Path, tmp_path: Path
) -> None:
    items = errands.items(tmp_path, A=errands.work, B=errands.be_damaged)
    with _slurm(settings) as client:
        found = {o.name: o for o in run_on_workers(client, items)}
        (job,) = map(int, stand_in.read_text().split())
        (worker,) = errands.begun(tmp_path / "A")
        assert Path(f"/proc/{job}").exists()
    assert found["A"].status is Status.DONE
    assert found["A"].text == "3 threads"
    assert isinstance(found["B"].error, PathoaiError)
    assert _is_gone(worker)


def test_a_job_that_ends_early_is_replaced(
    settings: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "_COUNT_JOBS_S", 0.2)
    soon = {"distributed.deploy.lost-worker-timeout": "0.2s"}
    items = errands.items(tmp_path, A=errands.end_the_job_once)
    with dask.config.set(soon), _slurm(settings) as client:
        (outcome,) = run_on_workers(client, items)
    assert outcome.text == "in the next job"
    assert len(stand_in.read_text().split()) == 2


def test_what_slurm_says_against_a_job_is_shown(
    settings: Path, stand_in: Path, tmp_path: Path
) -> None:
    sbatch = tmp_path / "programs" / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    with pytest.raises(ClusterError, match=r"SLURM refuses .* invalid partition"), _slurm(settings):
        pass


def _is_gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not Path(f"/proc/{process}").exists()
