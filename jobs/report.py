"""Write the report of a run that reduce has finished: tables, figures and one web page.

It needs no TensorFlow.
"""

import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def report(job: Job) -> int:
    """Write all files of the report."""
    from tumorcam.cluster.logs import start_logging
    from tumorcam.report import page, results

    if job.run.networks:
        return _report_calls(job)
    if job.args.dry_run:
        names = page.report_files(results.read_run(job.config))
        lines = (f"would write to {job.run.report}:", *(f"  {name}" for name in names))
        return job.print_left("report", *lines)
    start_logging(job.run.logs, "report", job.launch)
    job.require_current("models", "shards", "significance", "faithfulness")
    page.write_report(results.read_run(job.config))
    return 0


def _report_calls(job: Job) -> int:
    """Write the report of new samples."""
    from tumorcam.cluster.logs import start_logging
    from tumorcam.report.call_page import call_files, write_call_report
    from tumorcam.report.call_results import read_application

    if job.args.dry_run:
        names = call_files(read_application(job.config))
        lines = (f"would write to {job.run.report}:", *(f"  {name}" for name in names))
        return job.print_left("report", *lines)
    start_logging(job.run.logs, "report", job.launch)
    job.require_current("predictions", "shards", "significance")
    write_call_report(read_application(job.config))
    return 0


COMMAND = Command(
    "report",
    __doc__,
    report,
    (
        "configs/demo.toml",
        "configs/demo.toml --set report.method=guided_grad_cam --set report.top=50",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
