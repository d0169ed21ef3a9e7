"""The batch scripts as text, and what they start, without Slurm."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "slurm"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
BATCH = [path for path in SCRIPTS if "#SBATCH" in path.read_text(encoding="utf-8")]
SHAPE = set(
    "job-name nodes ntasks ntasks-per-node cpus-per-task time requeue signal open-mode".split()
)
STAGES = ["prepare", "train", "explain", "reduce", "faithfulness", "report"]

# Prints its name and arguments, one a line, and a job's number as sbatch does.
RECORDER = """#!/bin/sh
{ echo "$(basename "$0")"; printf '%s\\n' "$@"; echo; } >> "$CALLS"
test "$(basename "$0")" = sbatch && grep -cx sbatch "$CALLS"
exit 0
"""


def todo(*jobs: str) -> str:
    """What status says is to be submitted."""
    rows = [f"{job}\t--output=my runs/a/logs/{job}\t--comment=two words" for job in jobs]
    return "\n".join(["my runs/a/logs", *rows, ""])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A checkout's folder with an srun, sbatch and python that only write down their arguments."""
    (tmp_path / "slurm").symlink_to(FOLDER)
    (tmp_path / "bin").mkdir()
    for name in ("srun", "sbatch"):
        (tmp_path / "bin" / name).write_text(RECORDER, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    python = tmp_path / "bin" / "python"
    python.write_text(
        '#!/bin/sh\nprintf \'%s\\n\' "$@" >> asked\nprintf %s "$TODO"\n', encoding="utf-8"
    )
    python.chmod(0o755)
    for name in list(os.environ):
        if name.startswith(("SLURM", "SBATCH", "SRUN", "TUMORCAM")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("TODO", todo(*STAGES))
    monkeypatch.setenv("TUMORCAM_PYTHON", "python")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", *words], capture_output=True, text=True, check=True)


def calls(project: Path) -> list[list[str]]:
    return [
        call.split("\n")
        for call in (project / "calls").read_text(encoding="utf-8").split("\n\n")
        if call
    ]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound_shell(path):
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(^|[\s=\"])/(?!usr/bin/env)\w", text), "no absolute paths"
    if path.name != "start.sh":  # sourced
        assert text.startswith("#!/usr/bin/env bash\n") and os.access(path, os.X_OK)
        assert re.search(r"^set -e?uo pipefail$", text, re.MULTILINE)
    assert not re.search(r'(?<!")\$@', text), "quote it"


@pytest.mark.parametrize("path", BATCH, ids=lambda path: path.name)
def test_sbatch_lines_hold_shape_alone(path):
    options = re.findall(r"^#SBATCH --([\w-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(options) <= SHAPE
    assert f"#SBATCH --job-name=tumorcam-{path.stem}\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_one_srun_with_every_word_kept(project, stage):
    run(f"slurm/{stage}.sh", "my configs/a.toml", "--set", "run.name=two words")
    (call,) = calls(project)
    job = "run" if stage == "prepare" else stage
    mpi = ["-m", "mpi4py"] if stage in ("reduce", "faithfulness") else []
    ends_all = ["--kill-on-bad-exit=1"]
    assert call[: call.index("python")] == [
        "srun", *(["--kill-on-bad-exit=0", "--wait=0"] if stage == "explain" else ends_all)
    ]  # fmt: skip
    assert call[call.index("python") :] == [
        "python", *mpi, "-m", "tumorcam.jobs", job,
        "my configs/a.toml", "--set", "run.name=two words",
        *(["--until", "prepare"] if stage == "prepare" else []),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "variable", "arguments"),
    [
        ([], None, ["configs/demo.toml"]),
        ([], "my.toml", ["my.toml"]),
        (["--set", "run.seed=2"], None, ["configs/demo.toml", "--set", "run.seed=2"]),
        (["a.toml", "--dry-run"], "my.toml", ["a.toml", "--dry-run"]),
    ],
)
def test_the_config_defaults_to_the_variable_then_the_demo(
    project, monkeypatch, words, variable, arguments
):
    if variable:
        monkeypatch.setenv("TUMORCAM_CONFIG", variable)
    run("slurm/train.sh", *words)
    assert calls(project)[0][6:] == arguments


def test_scripts_run_from_slurms_spool(project, monkeypatch, tmp_path_factory):
    """Slurm copies the script away: the project is where it was submitted."""
    spool = tmp_path_factory.mktemp("spool")
    script = spool / "slurm_script"
    script.write_text((FOLDER / "train.sh").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("SLURM_SUBMIT_DIR", str(project))
    monkeypatch.chdir(spool)
    run(str(script), "a.toml")
    assert calls(project)[0][3:] == ["-m", "tumorcam.jobs", "train", "a.toml"]


def test_srun_gets_the_cpus_that_sbatch_got(project, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    output = run("-c", "source slurm/start.sh; echo $SRUN_CPUS_PER_TASK").stdout
    assert output == "6\n"


def dependency(call: list[str]) -> str | None:
    return next((w.partition("=afterok:")[2] for w in call if w.startswith("--dependency")), None)


def test_the_pipeline_chains_its_stages(project):
    output = run("slurm/pipeline.sh", "my configs/a.toml", "--set", "run.seed=2").stdout
    submitted = calls(project)
    assert [call[-4] for call in submitted] == [f"slurm/{stage}.sh" for stage in STAGES]
    assert all(call[-3:] == ["my configs/a.toml", "--set", "run.seed=2"] for call in submitted)
    assert [dependency(call) for call in submitted] == [None, "1", "2", "3", "4", "5"]
    assert all("--kill-on-invalid-dep=yes" in call for call in submitted)
    assert [call[-6:-4] for call in submitted] == [
        [f"--output=my runs/a/logs/{stage}", "--comment=two words"] for stage in STAGES
    ]
    assert (project / "my runs" / "a" / "logs").is_dir(), "else Slurm's output is lost"
    assert output.startswith("prepare: job 1\ntrain: job 2\n")
    assert r"python -m tumorcam.jobs status my\ configs/a.toml --set run.seed=2" in output
    assert output.endswith("slurm/pipeline.sh my\\ configs/a.toml --set run.seed=2\n")


def test_what_comes_next_waits_for_all_parts_of_an_array(project, monkeypatch):
    monkeypatch.setenv("TODO", todo("train", "train", "train", "explain", "reduce"))
    run("slurm/pipeline.sh", "a.toml")
    submitted = calls(project)
    assert [dependency(call) for call in submitted] == [None, None, None, "1:2:3", "4"]


def test_the_pipeline_asks_once_what_is_to_do(project):
    run("slurm/pipeline.sh", "my configs/a.toml", "--set", "run.seed=2")
    asked = (project / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == [
        "-m", "tumorcam.jobs", "status",
        "my configs/a.toml", "--set", "run.seed=2", "--submissions",
    ]  # fmt: skip


def test_nothing_is_submitted_when_all_is_there(project, monkeypatch):
    monkeypatch.setenv("TODO", "")
    assert run("slurm/pipeline.sh", "a.toml").stdout == "all is there\n"
    assert not (project / "calls").exists()


def test_the_chain_stops_where_sbatch_refuses(project):
    refusing = "#!/bin/sh\ncase $* in *slurm/train.sh*) exit 1 ;; esac\necho 7\n"
    (project / "bin" / "sbatch").write_text(refusing, encoding="utf-8")
    ended = subprocess.run(["bash", "slurm/pipeline.sh"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "prepare: job 7\n")
    assert ended.stderr.startswith("train was not submitted; scancel")


def test_the_pipeline_stops_when_the_config_is_wrong(project):
    (project / "bin" / "python").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    ended = subprocess.run(["bash", "slurm/pipeline.sh"], capture_output=True)
    assert ended.returncode == 1 and not (project / "calls").exists()


def test_the_site_file_sets_nothing_but_python(project):
    text = (FOLDER / "site.env").read_text(encoding="utf-8")
    active = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert active == ['export TUMORCAM_PYTHON="${TUMORCAM_PYTHON:-.venv/bin/python}"']
    for line in text.splitlines():
        if line.startswith("# export"):
            subprocess.run(["bash", "-nc", line.removeprefix("# ")], check=True)
