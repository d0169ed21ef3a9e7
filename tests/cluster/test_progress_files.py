"""Reports of child processes, which the process reads that started them."""

import os

import pytest

from tumorcam.cluster.progress_files import Report, clear_reports, read_reports, write_report

REPORT = Report("train r00-f00", "steps", 3, 12, 6.5, "loss 2.310", is_over=False)


def test_a_report_reads_back_and_the_last_one_stands_at_the_end(tmp_path):
    later = Report("explain", "shards", 1, 4, 2.0)
    write_report(tmp_path / "9-0.json", later)
    write_report(tmp_path / "1-0.json", REPORT)
    os.utime(tmp_path / "1-0.json", ns=(10**9, 10**9))
    assert read_reports(tmp_path) == [REPORT, later]
    clear_reports(tmp_path)
    assert read_reports(tmp_path) == [] and not list(tmp_path.iterdir())


def test_files_that_are_no_reports_are_passed_over(tmp_path):
    write_report(tmp_path / "1-0.json", REPORT)
    for name, text in (("2-0.json", '{"title": "a"'), ("3-0.json", '{"colour": 1}')):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "4-0.part").write_text("{}", encoding="utf-8")
    assert read_reports(tmp_path) == [REPORT]


def test_work_goes_on_where_the_folder_is_gone(tmp_path):
    write_report(tmp_path / "gone" / "1-0.json", REPORT)
    assert read_reports(tmp_path / "gone") == []


@pytest.mark.parametrize(
    ("n_done", "n_all", "is_over", "share"),
    [(3, 12, False, 0.25), (12, 12, False, 1.0), (5, 0, False, 0.0), (5, 0, True, 1.0)],
)
def test_the_share_of_a_task(n_done, n_all, is_over, share):
    assert Report("a", "b", n_done, n_all, 1.0, is_over=is_over).share == share
