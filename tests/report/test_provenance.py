"""The jobs of a run as the page has them: they add up, and what nobody noted is not recorded."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest
from made_up_run import finish_run
from test_page import page_of, run_job

from tumorcam.cluster.job_notes import JobNotes
from tumorcam.cluster.logs import DONE, STARTED, STOPPED, LogRecord
from tumorcam.report import provenance
from tumorcam.report.provenance import NOT_RECORDED
from tumorcam.storage import integrity
from tumorcam.storage.input_files import InputFiles, read_input_files, write_input_files
from tumorcam.storage.run_folder import RunFolder

AT_START = JobNotes(
    "tumorcam train /home/zenobia/my.toml --model r00-f00",
    40 * "a",
    {"tumorcam": "0.2", "Python": "3.11", "numpy": "2.4"},
    "a CPU",
    8,
)


def write_log(path: Path, *lines) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line if isinstance(line, str) else line.to_line()}\n" for line in lines)


def process(start: str, end: str, notes: JobNotes, *, seconds: float, state: str = DONE, **used):
    """The lines of one process; `seconds` are those of its CPU, half of which it ran."""
    at_end = JobNotes(seconds=seconds / 2, cpu_seconds=seconds)
    return (
        LogRecord(STARTED, f"2026-01-02 {start}", host="node7", process=5),
        notes,
        JobNotes(versions={"TensorFlow": "2.20"}, **used),
        "12:00:00 train: word",
        at_end,
        LogRecord(state, f"2026-01-02 {end}"),
    )


def row_of(logs: Path, stage: str = "train"):
    (row,) = provenance.stage_rows(provenance.read_processes(logs), [stage])
    return row


def test_interrupted_and_resumed_processes_add_up(tmp_path):
    write_log(
        tmp_path / "train-r00-f00-0.log",
        *process("10:00:00", "10:30:00", AT_START, seconds=3600, state=STOPPED),
        *process("12:00:00", "12:30:00", AT_START, seconds=3600),
    )
    other = dataclasses.replace(AT_START, command=AT_START.command.replace("f00", "f01"))
    write_log(
        tmp_path / "train-r00-f01-0.log",
        *process("10:15:00", "10:45:00", other, seconds=3600, gpus={"0": "NVIDIA H100"}),
    )
    row = row_of(tmp_path)
    assert row.processes == "3"
    assert (row.first_start, row.last_end) == ("2026-01-02 10:00:00", "2026-01-02 12:30:00")
    assert float(row.wall) == 1.25, "10:00 to 10:45, and 12:00 to 12:30"
    assert (float(row.cpu_hours), float(row.gpu_hours)) == (3.0, 0.5)
    assert (row.cpu, row.gpu, row.tensorflow) == ("a CPU, 8 cores", "NVIDIA H100", "2.20")
    assert row.source == "0.2, commit aaaaaaaaaaaa"
    assert row.command == "tumorcam train …/my.toml", "the same for both models"
    assert row.packages == "Python 3.11, numpy 2.4, TensorFlow 2.20"


def test_a_gpu_that_processes_share_counts_once(tmp_path):
    for rank in (0, 1):
        lines = process("10:00:00", "10:30:00", AT_START, seconds=3600, gpus={"0": "H100"})
        write_log(tmp_path / f"explain-0-{rank}.log", *lines)
    assert float(row_of(tmp_path, "explain").gpu_hours) == 0.5


def test_a_killed_process_is_counted_but_its_hours_are_not(tmp_path):
    path = tmp_path / "train-r00-f00-0.log"
    write_log(path, *process("10:00:00", "10:00:00", AT_START, seconds=100)[:3])
    row = row_of(tmp_path)
    assert row.processes == "1 (1 without an end)"
    assert (row.wall, row.cpu_hours, row.gpu_hours) == (NOT_RECORDED,) * 3
    write_log(path, *process("11:00:00", "11:30:00", AT_START, seconds=3600))
    row = row_of(tmp_path)
    assert row.processes == "2 (1 without an end)"
    assert row.cpu_hours == "1 (recorded for 1 of 2)"


def test_logs_of_earlier_versions_have_dates_but_no_hours(tmp_path):
    start, *_, end = process("10:00:00", "10:30:00", AT_START, seconds=1)
    write_log(tmp_path / "reduce-0.log", start, end)
    row = row_of(tmp_path, "reduce")
    assert (row.processes, row.wall, row.last_end) == ("1", "0.5", "2026-01-02 10:30:00")
    others = (row.cpu_hours, row.gpu_hours, row.cpu, row.gpu, row.tensorflow, row.source)
    assert {*others, row.command, row.packages} == {NOT_RECORDED}


def test_a_stage_without_logs_is_not_recorded(tmp_path):
    row = dataclasses.asdict(row_of(tmp_path / "nowhere"))
    assert row.pop("stage") == "train"
    assert set(row.values()) == {NOT_RECORDED}


def test_a_stage_without_networks_used_no_gpu(tmp_path):
    start, at_start, _, word, at_end, end = process("10:00:00", "11:00:00", AT_START, seconds=60)
    write_log(tmp_path / "prepare-0.log", start, at_start, word, at_end, end)
    row = row_of(tmp_path, "prepare")
    assert (row.gpu, float(row.gpu_hours), row.tensorflow) == ("none", 0, "not used")


def test_what_is_no_log_of_ours_is_left_out(tmp_path):
    write_log(tmp_path / "train-x-0.log", '{"state": "started", "date": "yesterday"}', "{", "word")
    (tmp_path / "train-y-0.log").mkdir()
    assert provenance.read_processes(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runs/demo/a.toml", "runs/demo/a.toml"),
        ("/home/zenobia/a.toml", "…/a.toml"),
        ("~zenobia/x/a.toml", "…/a.toml"),
        ("../../zenobia/a.toml", "…/a.toml"),
        ("input.expression=/home/al ice/m.tsv", "input.expression=…/m.tsv"),
        ("x=['/data/zenobia/a.tsv', '/data/bob/']", "x=['…/a.tsv', '…/bob']"),
        ("0/4", "0/4"),
    ],
)  # fmt: skip
def test_folders_that_may_name_a_user_are_left_out(text, expected):
    assert provenance.without_places(text) == expected


def test_settings_lose_their_folders():
    settings = {
        "input": {"expression": ["/home/zenobia/m.tsv"], "scale": "log2"},
        "run": {"seed": 1},
    }
    assert provenance.settings_without_places(settings) == {
        "input": {"expression": ["…/m.tsv"], "scale": "log2"},
        "run": {"seed": 1},
    }


@pytest.mark.parametrize(
    ("commit", "words"),
    [
        (40 * "b", "commit bbbbbbbbbbbb"),
        (40 * "b" + "-dirty", "commit bbbbbbbbbbbb with changes that were not committed"),
        ("not from a checkout", "not from a checkout"),
    ],
)
def test_the_commit_in_words(commit, words):
    assert provenance.commit_words(commit) == words


def test_input_files_are_those_of_this_cohort(tmp_path):
    path = tmp_path / "logs" / "input-files.json"
    assert read_input_files(path, "a") is None
    write_input_files(path, InputFiles("a", {"/x/m.tsv": "1"}))
    assert read_input_files(path, "a") == InputFiles("a", {"/x/m.tsv": "1"})
    assert read_input_files(path, "b") is None
    path.write_text("{}")
    assert read_input_files(path, "a") is None


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


def section_of(html: str) -> str:
    return html[html.index('<section id="provenance">') :]


def test_every_digest_of_a_file_is_what_sha256sum_prints(config):
    html = section_of(page_of(config))
    rows = re.findall(
        r'<tr><th scope="row">([^<]+)</th><td class="n">([\d,]+)</td>'
        r"<td><code>(\w{64})</code></td><td>(?:<code>(\w{64})</code>|–)</td></tr>",
        html,
    )
    assert {"cohort.h5", "config.toml", "significance.h5", "models/r00-f00/model.h5"} <= {
        name for name, *_ in rows
    }
    for name, size, sha256, content in rows:
        path = config.folder / name
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert int(size.replace(",", "")) == path.stat().st_size
        if content:
            assert content == integrity.read_header(path).attributes["digest"] != sha256
    for path in (config.input.expression[0], config.input.samples[0]):
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() in html


def test_a_large_file_has_a_content_digest_alone(config, monkeypatch):
    monkeypatch.setattr(provenance, "MAX_DIGESTED", 10)
    folder = RunFolder.of(config)
    row = provenance.file_row(folder, folder.cohort)
    assert row.sha256 == "" and len(row.content) == 64


def test_the_page_names_no_folder_and_no_host(config):
    write_log(
        config.folder / "logs" / "train-r00-f00-0.log",
        *process("10:00:00", "10:30:00", AT_START, seconds=3600),
    )
    html = page_of(config)
    assert "zenobia" not in html and "node7" not in html and str(config.folder) not in html
    assert "tumorcam train …/my.toml" in html
    assert "commit aaaaaaaaaaaa" in section_of(html)


def test_without_a_list_of_input_files_the_page_says_how_to_get_it(config):
    RunFolder.of(config).input_files.unlink()
    html = section_of(page_of(config))
    assert "The SHA-256 of the input files is not recorded." in html


def test_the_report_runs_where_no_job_left_a_log(config):
    for path in (config.folder / "logs").glob("*.log"):
        path.unlink()
    assert run_job(config) == 0
    html = section_of((config.folder / "report" / "index.html").read_text(encoding="utf-8"))
    assert (
        html.count(f"<td>{NOT_RECORDED}</td>") >= 5
        and ">0</td>" not in html.partition("Jobs")[2][:3000]
    )
