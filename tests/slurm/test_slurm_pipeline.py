"""The shipped batch scripts under a real Slurm of virtual nodes on this machine."""

import re
import subprocess
from pathlib import Path

from slurm_jobs import NEEDS_SLURM, output_of_jobs, submit, wait_until_done

from jobs import apply, status, verify

INCOMPLETE = 3
pytestmark = NEEDS_SLURM


def test_preflight_tells_what_the_site_gives(slurm, project):
    config = "my configs/tiny.toml"
    submit(slurm, "sbatch", "--wait", "--output=preflight.out", "slurm/preflight.sh", config)
    text = (project / "preflight.out").read_text(encoding="utf-8")
    assert re.search(r"^MPI types: .*\bpmi2\b", text, re.MULTILINE), text
    assert "rank 0 of 2 on vn1: ok   ranks: the launcher started 2, MPI sees 2\n" in text, text
    assert "ok   time left: " in text and "ok   hosts: all have addresses: vn1\n" in text, text
    assert "ok   self-test: explain on the CPU, with XLA: right\n" in text, text
    assert "rank 0 of 2 on vn1: ok   13 checks\n" in text, text
    assert "rank 1 of 2 on vn1: ok   12 checks\n" in text, text
    assert text.count("rank 1 of 2") == 1, text

    words = ["--output=red.out", "--gpus-per-node=1", "slurm/preflight.sh", config]
    blind = slurm | {"SLURM_MPI_TYPE": "none", "TUMORCAM_NOTICE": "USR1@3600"}
    assert subprocess.run(["sbatch", "--wait", *words], env=blind).returncode == 1
    text = (project / "red.out").read_text(encoding="utf-8")
    for rank, red in enumerate(
        ["4 of 13 checks are red: ranks, PMI, GPUs, time left", "3 of 12 checks are red: "]
    ):
        assert f"rank {rank} of 2 on vn1: FAIL {red}" in text, text
        assert f"rank {rank} of 2 on vn1: FAIL ranks: the launcher started 2 ranks but" in text
    assert "-> srun --mpi=pmi2 or --mpi=pmix" in text and "-> pip install '.[gpu]'" in text, text


def test_a_failed_stage_cancels_those_behind_it(slurm, project):
    words = ["my configs/tiny.toml", "--set", "input.expression=absent.tsv"]
    submit(slurm, "slurm/pipeline.sh", *words)
    wait_until_done(slurm)
    said = output_of_jobs(Path("runs/tiny/logs"))
    assert "absent.tsv" in said and "prepare ended with exit code 1" in said
    outputs = Path("runs/tiny/logs").glob("*.out")
    assert [path.name.split("-")[1] for path in outputs] == ["prepare"], said


def test_a_repaired_run_goes_on_with_what_is_not_done_and_is_whole(slurm, project, capsys):
    config = "my configs/tiny.toml"
    first = submit(slurm, "slurm/pipeline.sh", config).splitlines()
    stages = ["prepare", "train", "explain", "reduce", "faithfulness", "report"]
    submitted = [tuple(line.split(": job ")) for line in first[:7]]
    in_two_arrays = [stages[0], "train", *stages[1:]]  # since the site's are short
    assert [stage for stage, _ in submitted] == in_two_arrays
    ids = dict(submitted)
    submit(slurm, "scontrol", "hold", ids["explain"])
    refused = subprocess.run(["slurm/pipeline.sh", config], env=slurm, capture_output=True)
    assert (
        refused.returncode == 1
        and b"scancel " in refused.stderr
        and ids["report"].encode() in refused.stderr
    )
    wait_until_done(slurm, submitted[1][1], submitted[2][1])
    model = Path("runs/tiny/models/r00-f01/model.h5")
    model.write_bytes(model.read_bytes()[:-10_000])
    submit(slurm, "scontrol", "release", ids["explain"])
    wait_until_done(slurm)
    assert status.main([config]) == INCOMPLETE
    said = capsys.readouterr().out
    log = "runs/tiny/logs/explain-0-"
    assert re.search(rf"^cause: {log}\d\.log: error: .*{model}", said, re.MULTILINE), said
    words = "--cpus-per-task=1 slurm"
    assert f"\n  sbatch --array=1 {words}/train.sh 'my configs/tiny.toml'\n" in said
    again = submit(slurm, "slurm/pipeline.sh", config).splitlines()
    assert [line.split(":")[0] for line in again[:5]] == stages[1:]
    wait_until_done(slurm)
    outputs = [path.name for path in Path("runs/tiny/logs").glob("tumorcam-*.out")]
    trained = again[0].partition(": job ")[2]
    assert [name for name in outputs if f"-{trained}_" in name] == [
        f"tumorcam-train-{trained}_1.out"
    ]
    assert submit(slurm, "slurm/pipeline.sh", config) == "all is there\n"
    assert status.main([config]) == 0, output_of_jobs(Path("runs/tiny/logs"))
    assert verify.main([config]) == 0, capsys.readouterr().out
    assert Path("runs/tiny/report/index.html").exists()
    check_new_samples(slurm, config)


def check_new_samples(slurm, config):
    """The networks of the finished run meet its own matrix as new samples, by the same scripts."""
    words = ["runs/tiny/input/expression.tsv.gz", "--name", "again", "--until", "prepare"]
    assert apply.main([config, *words]) == 0
    folder = "runs/tiny/applied/again"
    said = submit(slurm, "slurm/pipeline.sh", folder).splitlines()
    stages = ["classify", "explain", "reduce", "report"]
    assert [line.split(": job ")[0] for line in said[:4]] == stages
    wait_until_done(slurm)
    assert status.main([folder]) == 0, output_of_jobs(Path(folder, "logs"))
    assert Path(folder, "report", "calls.csv").exists()
