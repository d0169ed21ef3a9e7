"""The checks of a site, each green and red, and the job that prints them."""

import errno
import fcntl
import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from jobs import preflight as job
from tumorcam.cluster import launcher, processes, ranks, resources
from tumorcam.cluster.launcher import Launch
from tumorcam.errors import ClusterError
from tumorcam.explain.shards import shard_bytes
from tumorcam.operations import preflight, selftest
from tumorcam.operations.preflight import MpiAnswer, SiteCheck
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
GIB = 2**30
LAPTOP = Launch.from_environ({})
MPICH = MpiAnswer("MPICH Version: 5.0.2", 4)
ALONE = MpiAnswer("MPICH Version: 5.0.2", 1)
NO_MPI = MpiAnswer(reason="cannot load MPI library")


@pytest.mark.parametrize(
    ("check", "words", "remedy"),
    [
        (preflight.check_mpi(MPICH, 4), "MPICH Version: 5.0.2", ""),
        (preflight.check_mpi(NO_MPI, None), "cannot load MPI library", ""),
        (preflight.check_mpi(NO_MPI, 4), "cannot load MPI library", "site's MPI"),
        (preflight.check_ranks(MPICH, 4), "started 4, MPI sees 4", ""),
        (preflight.check_ranks(ALONE, None), "no launcher", ""),
        (preflight.check_ranks(ALONE, 4), "started 4 ranks but MPI sees 1", "--mpi=pmi2"),
        (preflight.check_ranks(NO_MPI, 4), "started 4 ranks but MPI sees 1", "SLURM_MPI_TYPE"),
        (preflight.check_ranks(NO_MPI, 1), "started 1, MPI sees 1", ""),
        (preflight.check_pmi(4, "pmi2", ["PMI_RANK", "PMI_FD"]), "pmi2; set for MPI: PMI_RANK", ""),
        (preflight.check_pmi(4, "pmix_v4", ["PMIX_RANK"]), "pmix_v4", ""),
        (preflight.check_pmi(4, "pmix", ["PMI_RANK"]), "pmix; set for MPI: PMI_RANK", "pmi2"),
        (preflight.check_pmi(4, "", []), "not set; set for MPI: none", "SLURM_MPI_TYPE"),
        (preflight.check_pmi(None, "", []), "not set; set for MPI: none", ""),
        (preflight.check_cpus(8, 8), "8 for run.threads_per_rank = 8", ""),
        (preflight.check_cpus(1, 2), "1 for", "--cpus-per-task=2"),
        (preflight.check_gpus([], ["TensorFlow 2", "CPU:0"]), "none given, TensorFlow sees no", ""),
        (preflight.check_gpus(["3"], ["TensorFlow 2", "GPU:0"]), "1 given (3), TensorFlow se", ""),
        (preflight.check_gpus(["0", "1"], ["TensorFlow 2"]), "2 given (0,1)", "'.[gpu]'"),
        (preflight.check_tensorflow(["TensorFlow 2", "CPU:0"]), "TensorFlow 2, CPU:0", ""),
        (preflight.check_tensorflow([]), "", "'.[cpu]' or '.[gpu]'"),
        (preflight.check_memory({}, 2), "nothing here says", ""),
        (preflight.check_memory({"Slurm": 8 * GIB, "b": 9 * GIB}, 4), "2.0 GiB a rank (8.0", ""),
        (preflight.check_memory({"a": 9 * GIB, "Slurm": 4 * GIB}, 4), "by Slurm", "--mem-per-cpu"),
        (preflight.check_time("10:00", LAPTOP), "10:00; jobs are warned 120 s", ""),
        (preflight.check_time("UNLIMITED", LAPTOP), "UNLIMITED", ""),
        (preflight.check_time("INVALID", LAPTOP), "INVALID", ""),
        (preflight.check_time("", LAPTOP), "no Slurm job", ""),
        (preflight.check_time("1:59", LAPTOP), "1:59", "--time longer"),
        (preflight.check_scratch(None, Path("cohort.h5")), "not set", ""),
        (preflight.check_scratch(Path(__file__) / "a", Path("cohort.h5")), "no fold", "site.env"),
        (preflight.check_scratch(Path("absent/folder"), Path("absent.h5")), "no cohort yet", ""),
    ],
)
def test_a_check_is_green_or_names_its_remedy(check, words, remedy):
    assert words in check.result
    assert remedy in check.remedy and check.is_red == bool(remedy)
    text = preflight.line(check)
    assert "\n" not in text and text.startswith("FAIL " if remedy else "ok   ")
    assert text.endswith(f"-> {check.remedy}" if remedy else check.result)


def test_colour_is_added_only_where_it_is_seen():
    red, green = SiteCheck("MPI", "none", "install it"), SiteCheck("CPUs", "2")
    assert preflight.line(red, coloured=True).startswith("\x1b[31mFAIL\x1b[0m MPI: none")
    assert preflight.line(green, coloured=True) == "\x1b[32mok  \x1b[0m CPUs: 2"
    assert preflight.line(red) == "FAIL MPI: none -> install it"
    assert preflight.summary([green]) == "ok   1 checks"
    assert preflight.summary([green, red, red]) == "FAIL 2 of 3 checks are red: MPI, MPI"


def with_program(monkeypatch, program: str) -> MpiAnswer:
    monkeypatch.setattr(preflight, "MPI_PROGRAM", program)
    return preflight.ask_mpi(seconds=2.0)


def test_mpi_may_die_or_hang_without_harm(monkeypatch):
    program = "import json, sys; print('noise'); print(json.dumps({'library': 'M', 'size': 3}))"
    assert with_program(monkeypatch, program) == MpiAnswer("M", 3)
    died = with_program(monkeypatch, "import sys; sys.exit('not built with PMI')")
    assert died == MpiAnswer(reason="MPI ended with exit code 1: not built with PMI")
    hung = with_program(monkeypatch, "import time; time.sleep(60)")
    assert hung == MpiAnswer(reason="MPI did not start in 2 s")


def test_mpi_is_described_with_and_without_a_library(monkeypatch):
    assert json.loads(ranks.world_json())["size"] == 1 and "MPI" in ranks.library_version()
    monkeypatch.setattr(ranks, "MPI", None)
    monkeypatch.setattr(ranks, "NO_MPI_REASON", "no libmpi")
    assert MpiAnswer(**json.loads(ranks.world_json())) == MpiAnswer(reason="no libmpi")


def test_the_checks_themselves_never_start_mpi():
    program = "import sys, tumorcam.operations.preflight; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_tensorflow_its_checks_say_so(monkeypatch, tiny_config):
    monkeypatch.setattr(preflight, "NO_TENSORFLOW_REASON", "No module named 'tensorflow'")
    checks = {check.name: check for check in preflight.inspect_site(tiny_config, LAPTOP)}
    assert checks["TensorFlow"].result == "No module named 'tensorflow'"
    assert checks["TensorFlow"].is_red and checks["self-test"].is_red and not checks["GPUs"].is_red
    assert list(checks) == preflight.CHECKS.split(", ")


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_the_run_folder_must_hold_the_missing_shards(tiny_run, monkeypatch):
    run = RunFolder.of(tiny_run)
    plan = read_plan(run.plan)
    n_samples = 2 * 48  # replicates x samples
    n_columns = 36 + 2 * 18  # genes; decoys, explained twice
    needed = n_samples * (3 * 2 * n_columns + 64) * 2  # methods, views; cube; bytes
    assert shard_bytes(plan, plan.explain_tasks, tiny_run) == needed
    first = plan.explain_tasks[0]
    run.shards.mkdir()
    run.shard(first).touch()
    needed = needed * (n_samples - first.stop + first.start) // n_samples
    for free, is_red in ((needed, False), (needed - 1, True)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path, free=free: Usage(free))
        assert preflight.check_run_folder(run, tiny_run).is_red == is_red
    run.plan.unlink()
    assert "no plan yet" in preflight.check_run_folder(run, tiny_run).result


def test_the_scratch_folder_must_hold_the_cohort(tmp_path, monkeypatch):
    cohort = tmp_path / "cohort.h5"
    assert "no cohort yet" in preflight.check_scratch(tmp_path, cohort).result
    cohort.write_bytes(b"1234")
    for free, is_red in ((4, False), (3, True)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path, free=free: Usage(free))
        assert preflight.check_scratch(tmp_path, cohort).is_red == is_red


def no_locks(*args: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("setting", ["BEST_EFFORT", "FALSE"])
def test_files_are_locked_or_need_no_locks(tmp_path, monkeypatch, setting):
    assert preflight.check_locks(tmp_path, setting).result.startswith("flock works, HDF5 works")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(fcntl, "flock", no_locks)
    check = preflight.check_locks(tmp_path, setting)
    assert "flock fails (No locks available), HDF5 works" in check.result
    assert check.is_red == (setting != "FALSE")
    assert setting == "FALSE" or "HDF5_USE_FILE_LOCKING=FALSE" in check.remedy
    monkeypatch.setattr(h5py, "File", no_locks)
    check = preflight.check_locks(tmp_path, setting)
    assert "HDF5 fails" in check.result and check.is_red
    assert ("HDF5_USE_FILE_LOCKING=FALSE" in check.remedy) == (setting != "FALSE")
    (tmp_path / "file").touch()
    assert "run.folder" in preflight.check_locks(tmp_path / "file", setting).remedy


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_memory_is_bounded_by_slurm_the_cgroup_and_the_node(tmp_path):
    assert resources.memory_limits(None, tmp_path) == {}
    assert resources.memory_limits(5, tmp_path) == {"Slurm": 5}
    write(tmp_path / "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    write(tmp_path / "proc/self/cgroup", "4:memory:/a/b\n3:cpuset:/\n0::/job/step\n")
    groups = tmp_path / "sys/fs/cgroup"
    write(groups / "job/step/memory.max", "max\n")
    assert resources.memory_limits(None, tmp_path) == {"the node's free memory": 7 * 1024}
    write(groups / "job/memory.max", "4000\n")
    write(groups / "memory/a/b/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "sys/memory.max", "1\n")  # outside of the cgroups
    assert resources.memory_limits(None, tmp_path)["the cgroup"] == 4000
    write(groups / "memory/memory.limit_in_bytes", "3000\n")
    assert resources.memory_limits(None, tmp_path)["the cgroup"] == 3000


def test_hosts_of_the_step_need_addresses(monkeypatch):
    def hosts_check(hosts: list[str]) -> SiteCheck:
        monkeypatch.setattr(Launch, "step_hosts", lambda launch: hosts)
        return preflight.check_hosts(LAPTOP)

    def without_scontrol(launch: Launch) -> list[str]:
        raise ClusterError

    assert not hosts_check([]).is_red
    assert hosts_check(["localhost"]).result == "all have addresses: localhost"
    red = hosts_check(["localhost", "vn1.invalid"])
    assert red.result == "no address for 1 of 2: vn1.invalid" and "TF_CONFIG" in red.remedy
    monkeypatch.setattr(Launch, "step_hosts", without_scontrol)
    assert not preflight.check_hosts(LAPTOP).is_red


def test_a_warning_that_the_site_file_misspells_is_red():
    check = preflight.check_time("10:00", Launch.from_environ({"TUMORCAM_NOTICE": "USR1@soon"}))
    assert "USR1@soon" in check.result and "TUMORCAM_NOTICE" in check.remedy
    early = Launch.from_environ({"TUMORCAM_NOTICE": "TERM@700"})
    assert preflight.check_time("10:00", early).remedy.startswith("--time longer than 700 s")


@pytest.mark.parametrize("fault", [None, "wrong", "crash"])
def test_the_self_test_is_a_check(monkeypatch, fault):
    def crash(*args):
        raise RuntimeError("no kernel image\nmore")

    if fault:
        wrong = {"wrong": lambda *args: 1.0, "crash": crash}[fault]
        monkeypatch.setattr(selftest, "_distance", wrong)
    check = preflight.check_selftest(LAPTOP, threads=1)
    words = {None: "XLA: right", "wrong": "gradient 1.0e+00 off", "crash": "no kernel image"}[fault]
    assert words in check.result and check.is_red == bool(fault)


@pytest.fixture
def two_checks(monkeypatch):
    """A site with one green and one red check, and the exit code of the job on it."""

    def run(rank: int, toml: str, remedy: str = "fix it") -> int:
        checks = [SiteCheck("CPUs", "2"), SiteCheck("MPI", "none", remedy)]
        monkeypatch.setattr(preflight, "inspect_site", lambda config, launch: iter(checks))
        monkeypatch.setenv("PMI_RANK", str(rank))
        monkeypatch.setenv("PMI_SIZE", "2")
        return job.main([toml])

    return run


def test_the_first_rank_prints_all_and_others_what_is_red(two_checks, tiny_toml, capsys):
    assert two_checks(0, tiny_toml) == 1
    lines = [line.split(": ", 1) for line in capsys.readouterr().out.splitlines()]
    assert all(re.fullmatch(r"rank 0 of 2 on \S+", who) for who, _ in lines)
    assert [what for _, what in lines] == [
        "ok   CPUs: 2", "FAIL MPI: none -> fix it", "FAIL 1 of 2 checks are red: MPI",
    ]  # fmt: skip
    assert two_checks(1, tiny_toml) == 1
    lines = [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["FAIL MPI: none -> fix it", "FAIL 1 of 2 checks are red: MPI"]
    assert two_checks(1, tiny_toml, remedy="") == 0
    assert capsys.readouterr().out.endswith(": ok   2 checks\n")


def test_a_dry_run_only_names_the_checks(tiny_toml, tiny_config, capsys):
    assert job.main([tiny_toml, "--dry-run"]) == 0
    assert f"would check {preflight.CHECKS}\n" in capsys.readouterr().out
    assert not tiny_config.folder.exists()


def test_a_laptop_passes(tiny_toml, tiny_config, capsys):
    assert job.main([tiny_toml]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ", 2)[1][5:] for line in lines[:-1]] == preflight.CHECKS.split(", ")
    assert not tiny_config.folder.exists(), "it leaves nothing behind"


@pytest.mark.mpi
@pytest.mark.slow
def test_ranks_of_mpiexec_find_each_other_and_say_what_they_lack(tiny_toml):
    command = [processes.find_mpiexec(), "-n", "2", sys.executable, "-m", "jobs.preflight"]
    words = [tiny_toml, "--set", f"run.threads_per_rank={launcher.n_cpus() + 1}"]
    ended = subprocess.run([*command, *words], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 1
    assert "ok   ranks: the launcher started 2, MPI sees 2\n" in ended.stdout
    assert ended.stdout.count("FAIL CPUs: ") == 2 and "-> --cpus-per-task=" in ended.stdout


STAND_IN = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLS"
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """An srun and an apptainer that only write down their words; the words so far."""
    for name in ("srun", "apptainer"):
        write(tmp_path / "bin" / name, STAND_IN)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("SLURM_SUBMIT_DIR", str(ROOT))
    monkeypatch.setenv("SLURM_JOB_NODELIST", "vn[1-2]")
    return lambda: (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def test_the_script_starts_the_job_once_a_rank_and_lets_each_end(stand_ins, monkeypatch):
    monkeypatch.setenv("TUMORCAM_PYTHON", "my python")
    said = subprocess.run(
        ["bash", ROOT / "slurm/preflight.sh", "my.toml"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("nodes:     vn[1-2]\nMPI types: ")
    assert stand_ins()[:2] == ["srun", "--mpi=list"]
    assert stand_ins()[2:] == [
        "srun", "--kill-on-bad-exit=0", "--wait=0", "my python", "-m", "tumorcam.jobs", "preflight",
        "my.toml",
    ]  # fmt: skip


def test_a_containers_python_keeps_every_word(stand_ins, monkeypatch):
    script = str(ROOT / "slurm/python-in-container.sh")
    subprocess.run([script, "-m", "jobs.show", "my configs/a.toml"], check=True)
    words = ["apptainer", "exec", "tumorcam.sif", "python", "-m", "jobs.show", "my configs/a.toml"]
    assert stand_ins() == words
    monkeypatch.setenv("TUMORCAM_CONTAINER", "my images/t.sif")
    monkeypatch.setenv("TUMORCAM_CONTAINER_OPTIONS", "--nv --bind data")
    subprocess.run([script, "-c", ""], check=True)
    assert stand_ins()[len(words) + 1 :] == [
        "exec", "--nv", "--bind", "data", "my images/t.sif", "python", "-c", "",
    ]  # fmt: skip


def test_the_containers_definition_names_files_that_exist():
    text = (ROOT / "slurm/tumorcam.def").read_text(encoding="utf-8")
    copied = re.findall(r"^    (\S+) /opt/tumorcam/(\S+)$", text, re.MULTILINE)
    assert {"setup.cfg", "requirements.lock", "tumorcam", "jobs"} <= {there for _, there in copied}
    assert all(here == there and (ROOT / here).exists() for here, there in copied)
