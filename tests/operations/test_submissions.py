import shlex
from pathlib import Path

import pytest
from applied_runs import new_table, prepare_new, settings_of, write_matrix
from hypothesis import given
from hypothesis import strategies as st
from stub_run import expected, write_stubs

from jobs import status
from tumorcam.cluster.slurm import QueueEntry
from tumorcam.errors import ClusterError, StaleError
from tumorcam.operations import audit, submissions
from tumorcam.operations.submissions import QueuedJob, Site, Submission
from tumorcam.settings.config import Config, config_from_tables, config_tables
from tumorcam.storage.run_folder import RunFolder

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
    return [submission.command(arguments) for submission in todo(config, site)]


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
    assert [submission.job for submission in todo(finished)] == jobs


def test_before_there_is_a_cohort_the_settings_tell_what_to_train(tiny_config):
    array = todo(tiny_config)[1].options[0]
    assert array == "--array=0-4", "2 replicates x 2 folds, and the baselines"


def test_threads_come_from_the_config_unless_the_site_says_otherwise(finished):
    tables = config_tables(finished)
    tables["run"]["threads_per_rank"] = 6
    config = config_from_tables(tables, source="test")
    file_of(finished, "significance.h5").unlink()
    site = Site({"faithfulness": ["-c", "3"], "report": ["--time=1:00", "--cpus-per-gpu=2"]})
    assert [submission.options for submission in todo(config, site)] == [
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
    listed = []
    for part in submissions.array_parts(sorted(tasks), Site(max_array=size)):
        first = int(part[1].rpartition("=")[2]) if part[1:] else 0
        for run in part[0].partition("=")[2].split(","):
            low, _, high = run.partition("-")
            indices = range(int(low), int(high or low) + 1)
            assert max(indices) < size
            listed += [first + i for i in indices]
    assert sorted(listed) == sorted(tasks)


def test_a_split_train_array_is_several_submissions_of_train(tiny_run):
    parts = todo(tiny_run, Site(max_array=3))
    assert [part.job for part in parts][:3] == ["train", "train", "explain"]
    words = shlex.split(parts[1].command(["c.toml"]))
    assert words[1:3] == ["--array=0-1", "--export=ALL,TUMORCAM_ARRAY_FIRST=3"]


def test_the_table_for_the_shell_has_a_file_for_each_element():
    jobs = [Submission("train", ("--array=0-3",)), Submission("report", ("--comment=two words",))]
    assert submissions.table(Path("my runs/logs"), jobs) == (
        "my runs/logs\n"
        "train\t--output=my runs/logs/%x-%A_%a.out\t--array=0-3\n"
        "report\t--output=my runs/logs/%x-%j.out\t--comment=two words\n"
    )


@pytest.fixture
def project(tmp_path):
    """A folder from which jobs are submitted, with three configs."""
    folder = tmp_path / "my project"
    (folder / "my configs").mkdir(parents=True)
    for name, text in (("a", ""), ("named", "name = 'x y'"), ("placed", "folder = 'runs/x y'")):
        (folder / "my configs" / f"{name}.toml").write_text(f"[run]\n{text}\n", encoding="utf-8")
    return folder


def entry(project: Path, words: str, number: str = "7") -> QueueEntry:
    """A job in Slurm's queue, whose script's arguments squeue shows without quotes."""
    return QueueEntry(number, "RUNNING", project, f"{project}/slurm/{words}")


A = "my configs/a.toml"


@pytest.mark.parametrize(
    ("words", "is_of_run"),
    [
        (f"train.sh {A} --set run.name=x y", True),
        (f"train.sh {A} --set=run.name=x y", True),
        (f"train.sh {A} --set run.name='x y'", True),
        (f"train.sh ./{A} --set run.name=x y --set layout.nulls=2 --null=2", True),
        (f"train.sh {A} --set=training.epochs=3 --set=run.name=x y --model r00-f00", True),
        (f"train.sh {A} --set run.name=z --set=run.name=x y", True),
        (f"train.sh {A} --set=run.folder=runs/x y", True),
        (f"train.sh {A} --set=run.folder=runs/z/../x y", True),
        ("explain.sh my configs/named.toml", True),
        ("explain.sh my configs/placed.toml --set run.name=another", True),
        (f"train.sh {A} --set run.name=x y --set=run.name=z", False),
        (f"train.sh {A} --set run.name=x y --set=run.folder=runs/z", False),
        (f"train.sh {A}", False),
        (f"train.sh {A} --set run.name=x", False),
        (f"train.sh {A}.old --set run.name=x y", False),
        (f"train.sh {A} --set=run.unknown=x y", False),
        ("train.sh my configs/named.toml --set run.name=z", False),
        (f"preflight.sh {A} --set run.name=x y", False),
        ("train.sh", False),
    ],
)
def test_a_job_is_of_the_run_in_whose_folder_it_works(project, words, is_of_run):
    run = RunFolder(project / "runs" / "x y")
    assert bool(submissions.jobs_of_run([entry(project, words)], run)) == is_of_run


@pytest.mark.parametrize("queued", ["--set run.name=x", "--set=run.name=x"])
@pytest.mark.parametrize("given", [["--set", "run.name=x"], ["--set=run.name=x"]])
def test_both_forms_of_an_override_stop_a_second_chain(project, monkeypatch, capsys, given, queued):
    queue = [entry(project, f"train.sh {A} {queued}")]
    monkeypatch.setattr(submissions.slurm, "queue", lambda: queue)
    monkeypatch.chdir(project)
    assert status.main([A, *given, "--submissions"]) == 1
    assert "jobs of this run are still in the queue (train, job 7" in capsys.readouterr().err


def test_another_checkout_has_runs_of_its_own(project, tmp_path):
    queue = [entry(project, f"train.sh {A}")]
    assert submissions.jobs_of_run(queue, RunFolder(tmp_path / "runs" / "default")) == []


def test_jobs_stand_in_the_order_of_submission(project):
    numbers = ("10_2", "9", "10_10", "10_1")
    queue = [entry(project, f"train.sh {A} --set run.name=x", number) for number in numbers]
    jobs = submissions.jobs_of_run(queue, RunFolder(project / "runs" / "x"))
    assert [job.number for job in jobs] == ["9", "10_1", "10_2", "10_10"]


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


def test_new_samples_are_submitted_from_classify_on(host_run, tmp_path):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(host_run, path, name="queued") == 0
    config = settings_of(host_run, "queued")
    assert [submission.job for submission in todo(config)] == [
        "classify", "explain", "reduce", "report",
    ]  # fmt: skip
    RunFolder.of(config).cohort.unlink()
    with pytest.raises(StaleError, match=r"cohort\.h5 does not exist; run `tumorcam apply`"):
        todo(config)
