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
from tumorcam.cluster import launcher, processes, ranks
from tumorcam.cluster.launcher import Share
from tumorcam.operations import preflight, selftest
from tumorcam.operations.preflight import Finding, World
from tumorcam.storage.plan import read_plan, shard_file

ROOT = Path(__file__).parents[2]
GIB = 2**30
MPICH = World("MPICH Version: 5.0.2", 4)
ALONE = World("MPICH Version: 5.0.2", 1)
NO_MPI = World(reason="cannot load MPI library")


@pytest.mark.parametrize(
    ("finding", "said", "remedy"),
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
        (preflight.check_time("10:00"), "10:00; jobs are warned 120 s", ""),
        (preflight.check_time("UNLIMITED"), "UNLIMITED", ""),
        (preflight.check_time("INVALID"), "INVALID", ""),
        (preflight.check_time(""), "no Slurm job", ""),
        (preflight.check_time("1:59"), "1:59", "--time longer"),
        (preflight.check_scratch(None, Path("cohort.h5")), "not set", ""),
        (preflight.check_scratch(Path(__file__) / "a", Path("cohort.h5")), "no fold", "site.env"),
        (preflight.check_scratch(Path("absent/folder"), Path("absent.h5")), "no cohort yet", ""),
    ],
)
def test_a_check_is_green_or_names_its_remedy(finding, said, remedy):
    assert said in finding.found
    assert remedy in finding.remedy and finding.is_red == bool(remedy)
    text = preflight.line(finding)
    assert "\n" not in text and text.startswith("FAIL " if remedy else "ok   ")
    assert text.endswith(f"-> {finding.remedy}" if remedy else finding.found)


def test_colour_is_added_only_where_it_is_seen():
    red, green = Finding("MPI", "none", "install it"), Finding("CPUs", "2")
    assert preflight.line(red, coloured=True).startswith("\x1b[31mFAIL\x1b[0m MPI: none")
    assert preflight.line(green, coloured=True) == "\x1b[32mok  \x1b[0m CPUs: 2"
    assert preflight.line(red) == "FAIL MPI: none -> install it"
    assert preflight.summary([green]) == "ok   1 checks"
    assert preflight.summary([green, red, red]) == "FAIL 2 of 3 checks are red: MPI, MPI"


def with_program(monkeypatch, program: str) -> World:
    monkeypatch.setattr(preflight, "MPI_PROGRAM", program)
    return preflight.mpi_world(seconds=2.0)


def test_mpi_may_die_or_hang_without_harm(monkeypatch):
    said = "import json, sys; print('noise'); print(json.dumps({'library': 'M', 'size': 3}))"
    assert with_program(monkeypatch, said) == World("M", 3)
    died = with_program(monkeypatch, "import sys; sys.exit('not built with PMI')")
    assert died == World(reason="MPI ended with exit code 1: not built with PMI")
    hung = with_program(monkeypatch, "import time; time.sleep(60)")
    assert hung == World(reason="MPI did not start in 2 s")


def test_mpi_is_described_with_and_without_a_library(monkeypatch):
    assert json.loads(ranks.world_json())["size"] == 1 and "MPI" in ranks.library_version()
    monkeypatch.setattr(ranks, "MPI", None)
    monkeypatch.setattr(ranks, "NO_MPI_REASON", "no libmpi")
    assert World(**json.loads(ranks.world_json())) == World(reason="no libmpi")


def test_the_checks_themselves_never_start_mpi():
    program = "import sys, tumorcam.operations.preflight; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_tensorflow_its_checks_say_so(monkeypatch, tiny_config):
    monkeypatch.setattr(preflight, "NO_TENSORFLOW_REASON", "No module named 'tensorflow'")
    found = {one.check: one for one in preflight.inspect_site(tiny_config, Share(0, 1))}
    assert found["TensorFlow"].found == "No module named 'tensorflow'"
    assert found["TensorFlow"].is_red and found["self-test"].is_red and not found["GPUs"].is_red
    assert list(found) == preflight.CHECKS.split(", ")


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_the_run_folder_must_hold_the_shards_to_come(tiny_run, monkeypatch):
    plan = read_plan(tiny_run.folder / "plan.json")
    samples = 2 * 48  # replicates x samples
    wanted = samples * (3 * 2 * (36 + plan.n_decoys) + 64) * 2  # methods, views; cube; bytes
    assert preflight.shard_bytes(tiny_run, plan) == wanted
    first = plan.explain_tasks[0]
    shard_file(tiny_run.folder, first).parent.mkdir()
    shard_file(tiny_run.folder, first).touch()
    wanted = wanted * (samples - first.stop + first.start) // samples
    for free, is_red in ((wanted, False), (wanted - 1, True)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path, free=free: Usage(free))
        assert preflight.check_run_folder(tiny_run).is_red == is_red
    (tiny_run.folder / "plan.json").unlink()
    assert "no plan yet" in preflight.check_run_folder(tiny_run).found


def test_the_scratch_folder_must_hold_the_cohort(tmp_path, monkeypatch):
    cohort = tmp_path / "cohort.h5"
    assert "no cohort yet" in preflight.check_scratch(tmp_path, cohort).found
    cohort.write_bytes(b"1234")
    for free, is_red in ((4, False), (3, True)):
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path, free=free: Usage(free))
        assert preflight.check_scratch(tmp_path, cohort).is_red == is_red


def no_locks(*args: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("setting", ["BEST_EFFORT", "FALSE"])
def test_files_are_locked_or_need_no_locks(tmp_path, monkeypatch, setting):
    assert preflight.check_locks(tmp_path, setting).found.startswith("flock works, HDF5 works")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(fcntl, "flock", no_locks)
    found = preflight.check_locks(tmp_path, setting)
    assert "flock fails (No locks available), HDF5 works" in found.found
    assert found.is_red == (setting != "FALSE")
    assert setting == "FALSE" or "HDF5_USE_FILE_LOCKING=FALSE" in found.remedy
    monkeypatch.setattr(h5py, "File", no_locks)
    found = preflight.check_locks(tmp_path, setting)
    assert "HDF5 fails" in found.found and found.is_red
    assert ("HDF5_USE_FILE_LOCKING=FALSE" in found.remedy) == (setting != "FALSE")
    (tmp_path / "file").touch()
    assert "run.folder" in preflight.check_locks(tmp_path / "file", setting).remedy


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_memory_is_bounded_by_slurm_the_cgroup_and_the_node(tmp_path):
    assert preflight.memory_limits(None, tmp_path) == {}
    assert preflight.memory_limits(5, tmp_path) == {"Slurm": 5}
    write(tmp_path / "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    write(tmp_path / "proc/self/cgroup", "4:memory:/a/b\n3:cpuset:/\n0::/job/step\n")
    groups = tmp_path / "sys/fs/cgroup"
    write(groups / "job/step/memory.max", "max\n")
    assert preflight.memory_limits(None, tmp_path) == {"the node's free memory": 7 * 1024}
    write(groups / "job/memory.max", "4000\n")
    write(groups / "memory/a/b/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "sys/memory.max", "1\n")  # outside of the cgroups
    assert preflight.memory_limits(None, tmp_path)["the cgroup"] == 4000
    write(groups / "memory/memory.limit_in_bytes", "3000\n")
    assert preflight.memory_limits(None, tmp_path)["the cgroup"] == 3000


def test_hosts_of_the_step_need_addresses(monkeypatch):
    def found(hosts):
        monkeypatch.setattr(launcher, "step_hosts", hosts)
        return preflight.check_hosts()

    def without_scontrol():
        raise launcher.ClusterError

    assert not found(list).is_red and found(lambda: ["localhost"]).found.endswith("localhost")
    red = found(lambda: ["localhost", "vn1.invalid"])
    assert red.found == "no address for 1 of 2: vn1.invalid" and "TF_CONFIG" in red.remedy
    assert not found(without_scontrol).is_red


def test_a_wrong_notice_is_red(monkeypatch):
    monkeypatch.setenv("TUMORCAM_NOTICE", "USR1@soon")
    assert "USR1@soon" in preflight.check_time("10:00").found
    assert "TUMORCAM_NOTICE" in preflight.check_time("10:00").remedy
    assert launcher.notice_seconds({"TUMORCAM_NOTICE": "TERM@30"}) == 30


@pytest.mark.parametrize("fault", [None, "wrong", "crash"])
def test_the_self_test_is_a_check(monkeypatch, fault):
    def crash(*args):
        raise RuntimeError("no kernel image\nmore")

    if fault:
        wrong = {"wrong": lambda *args: 1.0, "crash": crash}[fault]
        monkeypatch.setattr(selftest, "_distance", wrong)
    found = preflight.check_selftest(1)
    said = {None: "XLA: right", "wrong": "gradient 1.0e+00 off", "crash": "no kernel image"}[fault]
    assert said in found.found and found.is_red == bool(fault)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("59", 59), ("1:59", 119), ("2:00:01", 7201), ("1-00:00:02", 86402), ("INVALID", None),
     ("", None), ("-5:00", None)],
)  # fmt: skip
def test_slurms_times_are_seconds(text, seconds):
    assert launcher.seconds_of(text) == seconds


def test_slurm_says_what_a_rank_gets(monkeypatch):
    step = {"SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_NODEID": "3"}
    assert launcher.local_size(step) == 1 and launcher.local_size(step | {"SLURM_NODEID": "1"}) == 2
    assert launcher.local_size({"MPI_LOCALNRANKS": "5"}) == 5 and launcher.local_size({}) == 1
    assert launcher.slurm_memory({}) is None
    assert launcher.slurm_memory({"SLURM_MEM_PER_NODE": "3000"}) == 3000 * 2**20
    by_cpu = {"SLURM_MEM_PER_NODE": "0", "SLURM_MEM_PER_CPU": "500", "SLURM_CPUS_ON_NODE": "4"}
    assert launcher.slurm_memory(by_cpu) == 2000 * 2**20
    assert launcher.gpus_given({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}) == []
    assert launcher.gpus_given({"CUDA_VISIBLE_DEVICES": "", "SLURM_JOB_GPUS": "0,1"}) == []
    assert launcher.gpus_given({"SLURM_STEP_GPUS": "2", "SLURM_JOB_GPUS": "2,3"}) == ["2"]
    monkeypatch.setattr(launcher, "n_cpus", lambda: 8)
    assert (
        launcher.cpus_of_rank({"SLURM_CPUS_PER_TASK": "2"}) == 2 and launcher.cpus_of_rank({}) == 8
    )
    assert launcher.rank_variables({"PMI_FD": "7", "HOME": ""}) == ["PMI_FD"]


@pytest.fixture
def two_findings(monkeypatch):
    """A site with one green and one red check, and the exit code of the job on it."""

    def run(share: Share, toml: str, remedy: str = "fix it") -> int:
        found = [Finding("CPUs", "2"), Finding("MPI", "none", remedy)]
        monkeypatch.setattr(preflight, "inspect_site", lambda config, share: iter(found))
        monkeypatch.setattr(launcher, "launcher_share", lambda: share)
        return job.main([toml])

    return run


def test_the_first_rank_prints_all_and_others_what_is_red(two_findings, tiny_toml, capsys):
    assert two_findings(Share(0, 2), tiny_toml) == 1
    said = [line.split(": ", 1) for line in capsys.readouterr().out.splitlines()]
    assert all(re.fullmatch(r"rank 0 of 2 on \S+", who) for who, _ in said)
    assert [what for _, what in said] == [
        "ok   CPUs: 2", "FAIL MPI: none -> fix it", "FAIL 1 of 2 checks are red: MPI",
    ]  # fmt: skip
    assert two_findings(Share(1, 2), tiny_toml) == 1
    said = [line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["FAIL MPI: none -> fix it", "FAIL 1 of 2 checks are red: MPI"]
    assert two_findings(Share(1, 2), tiny_toml, remedy="") == 0
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
    ended = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300)
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
        "srun", "--kill-on-bad-exit=0", "--wait=0", "my python", "-m", "jobs.preflight", "my.toml",
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
