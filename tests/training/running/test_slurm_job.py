"""The job that SLURM would get; that it trains is shown by two processes' test."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pathoai.cli.main import main
from pathoai.errors import ClusterError, InvalidValueError, MissingFileError
from pathoai.study.study import Study
from pathoai_training.running.slurm_job import SlurmJob, read_job, submit

RECIPE = "breast-nuclei-segmentation"
StudyMaker = Callable[..., Study]


def printed(study: Study, *words: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    begin = ["train", str(study.path), "--recipe", RECIPE, "--cluster", "slurm", "--dry-run"]
    assert main([*begin, *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_it_trains_with_the_same_options(
    make_study: StudyMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study("P000000000000000")
    resources = "--nodes 2 --gpus-per-node 4 --cpus-per-task 8 --memory 64GB --time 12:00:00"
    options = "--partition gpu --account study-7 --name mine --split area --max-steps 9 --again"
    lines = printed(study, *resources.split(), *options.split(), "--set", "seed=3", capsys=capsys)
    assert lines[0] == "#!/bin/bash"
    assert set(lines[1:-1]) == {
        "#SBATCH --job-name=pathoai-mine",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --gpus-per-node=4",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --mem=64GB",
        "#SBATCH --time=12:00:00",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=study-7",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --signal=USR1@120",
        f'#SBATCH --output="{study.path.resolve()}/runs/mine/slurm-%j.log"',
    }
    command, again = lines[-1].split(" $(")
    # A job that goes on must not begin anew.
    assert again == '[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] && echo --again)'
    sets = ("seed=3", "trainer.max_steps=9", "trainer.devices=4", "trainer.num_nodes=2")
    assert shlex.split(command) == [
        *("srun", "--kill-on-bad-exit=1", sys.executable, "-m", "pathoai", "train"),
        *(str(study.path.resolve()), "--recipe", RECIPE, "--name", "mine"),
        *("--split", "area", "--device", "auto"),
        *(word for one in (*sets, "trainer.strategy=ddp") for word in ("--set", one)),
    ]
    assert not (study.path / "runs").exists()


def test_settings_come_from_the_file_of_the_other_commands_too(
    make_study: StudyMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(
        'queue: gpu\nwalltime: "01:00:00"\ncores: 4\naccount: a\n'
        'job-extra-directives: ["--constraint=a100"]\njob-script-prologue: [module load cuda]\n'
    )
    words = ("--cluster-config", str(file), "--account", "b", "--no-requeue")
    lines = printed(make_study("P000000000000000"), *words, capsys=capsys)
    for option in ("--partition=gpu", "--time=01:00:00", "--cpus-per-task=4", "--account=b"):
        assert f"#SBATCH {option}" in lines
    assert "#SBATCH --constraint=a100" in lines
    assert "#SBATCH --no-requeue" in lines
    assert lines[-2] == "module load cuda"
    assert "strategy" not in lines[-1]  # one process


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--nodes", "2"], "--nodes: settings of jobs, but no cluster"),
        (["--dry-run"], "--dry-run: settings of jobs, but no cluster"),
        (["--cluster", "dask"], "--cluster: training knows no such cluster; found 'dask'"),
        (["--cluster", "slurm", "--gpus-per-node", "-1"], "--gpus-per-node; found -1"),
        (["--cluster", "slurm", "--partition", "a b"], "--partition; found 'a b'"),
        (["--cluster", "slurm", "--set", "model.widht=3"], "unknown key"),
        (
            ["--cluster", "slurm", "--set", "trainer.effective_batch_size=5"],
            "effective_batch_size; found 5; allowed: a multiple of 4",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_it_waits_in_a_queue(
    make_study: StudyMaker, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study("P000000000000000")
    assert main(["train", str(study.path), "--recipe", RECIPE, *words]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("queue: [", "not a YAML file"),
        ("[1, 2]", "found no keys"),
        ("interface: lo", "found interface; allowed: account, cores"),
        ("walltime: 12:00:00", "--time; found 43200"),
        ('job-script-prologue: ["a\\nb"]', "one line"),
    ],
)
def test_a_file_of_settings_that_cannot_be(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(text)
    with pytest.raises(InvalidValueError, match=says):
        read_job(file, {})
    with pytest.raises(MissingFileError, match=r"found absent\.yaml"):
        read_job(tmp_path / "absent.yaml", {})


def test_what_slurm_says_against_a_job_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = SlurmJob().script(["train"], name="m", folder=tmp_path / "50%")
    assert "/50%%/slurm-%j.log" in script
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="no program sbatch"):
        submit(script, tmp_path / "run")
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    sbatch.chmod(0o755)
    with pytest.raises(ClusterError, match=r"SLURM refuses .* invalid partition"):
        submit(script, tmp_path / "run")
