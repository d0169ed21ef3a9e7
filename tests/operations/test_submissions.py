import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_run import expected, write_stubs

from tumorcam.cluster.launcher import Job
from tumorcam.config import Config, config_from_tables, config_tables
from tumorcam.errors import ClusterError
from tumorcam.operations import audit, submissions
from tumorcam.operations.submissions import QueuedJob, Site, Submission

CPUS = "--cpus-per-task=1"  # of the tiny run


@pytest.fixture
def finished(tiny_run):
    write_stubs(tiny_run)
    return tiny_run


def file_of(config: Config, name: str) -> Path:
    (path,) = [file.path for file in expected(config) if str(file.path).endswith(name)]
    return path


def todo(config: Config, site: Site | None = None) -> list[Submission]:
    return submissions.submissions(config, audit.audit_run(config), site or Site())


def commands(config: Config, *arguments: str, site: Site | None = None) -> list[str]:
    return [one.command(arguments) for one in todo(config, site)]


def test_a_finished_run_lacks_nothing(finished):
    assert todo(finished) == []
    assert submissions.table(Path("logs"), []) == ""


def test_the_commands_that_go_on(finished):
    file_of(finished, "r00-f01/model.h5").unlink()
    file_of(finished, "baselines.h5").unlink()
    assert commands(finished, "my configs/c.toml", "--set", "run.name=a;b") == [
        f"sbatch --array=1,4 {CPUS} slurm/train.sh 'my configs/c.toml' --set 'run.name=a;b'",
        f"sbatch {CPUS} slurm/explain.sh 'my configs/c.toml' --set 'run.name=a;b'",
        f"sbatch {CPUS} slurm/reduce.sh 'my configs/c.toml' --set 'run.name=a;b'",
        f"sbatch {CPUS} slurm/faithfulness.sh 'my configs/c.toml' --set 'run.name=a;b'",
        f"sbatch {CPUS} slurm/report.sh 'my configs/c.toml' --set 'run.name=a;b'",
    ]


@pytest.mark.parametrize(
    ("lost", "jobs"),
    [
        ("genes.csv", ["report"]),
        ("shards/r01-f00-b0001.h5", ["explain", "reduce", "faithfulness", "report"]),
        ("cohort.h5", ["prepare", "train", "explain", "reduce", "faithfulness", "report"]),
    ],
)
def test_all_from_the_first_gap_on_is_submitted_but_not_idle_training(finished, lost, jobs):
    file_of(finished, lost).unlink()
    assert [one.job for one in todo(finished)] == jobs


def test_before_there_is_a_cohort_the_settings_tell_what_to_train(tiny_config):
    array = todo(tiny_config)[1].options[0]
    assert array == "--array=0-4", "2 replicates x 2 folds, and the baselines"


def test_threads_come_from_the_config_unless_the_site_says_otherwise(finished):
    tables = config_tables(finished)
    tables["run"]["threads_per_rank"] = 6
    config = config_from_tables(tables, source="test")
    file_of(finished, "significance.h5").unlink()
    site = Site({"faithfulness": ["-c", "3"], "report": ["--time=1:00", "--cpus-per-gpu=2"]})
    assert [one.options for one in todo(config, site)] == [
        ("--cpus-per-task=6",), ("-c", "3"), ("--time=1:00", "--cpus-per-gpu=2")
    ]  # fmt: skip


def test_a_sites_options_follow_ours_so_that_they_prevail(finished):
    file_of(finished, "genes.csv").unlink()
    site = Site({"report": ["--mail-user=a@b.c"]}, throttle="50")
    assert commands(finished, "c.toml", site=site) == [
        f"sbatch {CPUS} --mail-user=a@b.c slurm/report.sh c.toml"
    ]


def test_an_array_beyond_the_sites_size_is_split_with_an_offset():
    tasks = [0, 1, 3, 4, 5, 9]
    assert list(submissions.array_parts(tasks, Site(max_array=4, throttle="2"))) == [
        ["--array=0-1,3%2"],
        ["--array=0-1%2", "--export=ALL,TUMORCAM_ARRAY_FIRST=4"],
        ["--array=1%2", "--export=ALL,TUMORCAM_ARRAY_FIRST=8"],
    ]
    assert list(submissions.array_parts(tasks, Site())) == [["--array=0-1,3-5,9"]]
    assert list(submissions.array_parts([], Site(max_array=4))) == []


@given(st.sets(st.integers(0, 200)), st.integers(1, 60))
def test_parts_hold_every_task_once_and_no_index_that_the_site_refuses(tasks, size):
    said = []
    for part in submissions.array_parts(sorted(tasks), Site(max_array=size)):
        first = int(part[1].rpartition("=")[2]) if part[1:] else 0
        for run in part[0].partition("=")[2].split(","):
            low, _, high = run.partition("-")
            indices = range(int(low), int(high or low) + 1)
            assert max(indices) < size
            said += [first + i for i in indices]
    assert sorted(said) == sorted(tasks)


def test_a_split_train_array_is_several_submissions_of_train(tiny_run):
    found = todo(tiny_run, Site(max_array=3))
    assert [one.job for one in found][:3] == ["train", "train", "explain"]
    words = shlex.split(found[1].command(["c.toml"]))
    assert words[1:3] == ["--array=0-1", "--export=ALL,TUMORCAM_ARRAY_FIRST=3"]


def test_the_table_for_the_shell_has_a_file_for_each_element():
    jobs = [Submission("train", ("--array=0-3",)), Submission("report", ("--comment=two words",))]
    assert submissions.table(Path("my runs/logs"), jobs) == (
        "my runs/logs\n"
        "train\t--output=my runs/logs/%x-%A_%a.out\t--array=0-3\n"
        "report\t--output=my runs/logs/%x-%j.out\t--comment=two words\n"
    )


def job(number, command, folder=Path("/home/me/project"), state="RUNNING"):
    return Job(number, state, folder, f"/home/me/project/{command}")


ARGUMENTS = ["my configs/a.toml", "--set", "run.name=x y", "--set", "training.epochs=3"]


@pytest.mark.parametrize(
    ("command", "is_ours"),
    [
        ("slurm/train.sh my configs/a.toml --set run.name=x y", True),
        ("slurm/train.sh ./my configs/a.toml --set run.name=x y --set layout.nulls=2", True),
        ("slurm/report.sh /home/me/project/my configs/a.toml --set run.name=x y", True),
        ("slurm/train.sh my configs/a.toml", False),
        ("slurm/train.sh my configs/a.toml --set run.name=x", False),
        ("slurm/train.sh my configs/a.toml.old --set run.name=x y", False),
        ("slurm/preflight.sh my configs/a.toml --set run.name=x y", False),
        ("slurm/train.sh", False),
    ],
)
def test_jobs_of_this_run_are_known_by_config_and_place(command, is_ours):
    found = submissions.jobs_of_run([job("7", command)], Path("/home/me/project"), ARGUMENTS)
    assert bool(found) == is_ours


def test_jobs_of_another_folder_are_not_of_this_run():
    there = [job("7", f"slurm/train.sh {' '.join(ARGUMENTS)}", Path("/home/me/other"))]
    assert submissions.jobs_of_run(there, Path("/home/me/project"), ARGUMENTS) == []


def test_jobs_stand_in_the_order_of_submission():
    command = f"slurm/train.sh {' '.join(ARGUMENTS)}"
    queue = [job(number, command) for number in ("10_2", "9", "10_10", "10_1")]
    found = submissions.jobs_of_run(queue, Path("/home/me/project"), ARGUMENTS)
    assert [one.number for one in found] == ["9", "10_1", "10_2", "10_10"]


QUEUED = [
    QueuedJob("train", "12_0", "RUNNING"),
    QueuedJob("train", "12_3", "RUNNING"),
    QueuedJob("train", "12_4", "PENDING"),
    QueuedJob("explain", "13", "PENDING"),
]


def test_queued_jobs_are_counted_by_state():
    assert submissions.queue_lines(QUEUED) == [
        "train, job 12: 2 running, 1 pending", "explain, job 13: 1 pending"
    ]  # fmt: skip


def test_a_second_chain_is_refused_while_the_first_is_queued():
    submissions.refuse_queued([])
    with pytest.raises(ClusterError, match=r"train, job 12: .*`scancel 12 13`, then submit again"):
        submissions.refuse_queued(QUEUED)
