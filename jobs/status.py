"""What of a run is done, missing or broken, and the commands that fill the gaps."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jobs import command
from tumorcam.cluster import launcher
from tumorcam.config import Config
from tumorcam.errors import FileError
from tumorcam.operations import audit, curves, job_endings, submissions
from tumorcam.storage.plan import read_plan

INCOMPLETE = 3  # exit code
MAX_FAULTS = 10  # shown


def main(argv: list[str] | None = None) -> int:
    """Print the state of the run; 0 if it is complete, 3 if not, 1 if the config is wrong."""
    args = _parser().parse_args(argv)
    findings: list[audit.Finding] = []

    def body(config: Config) -> None:
        if args.curve:
            print(_curve(config, args.curve))
            return
        if args.dry_run:
            print(f"would look at every file of the plan in {config.folder}")
            return
        found = audit.audit_run(config, deep=args.deep)
        arguments = command.arguments(args)
        todo = submissions.submissions(config, found, submissions.read_site())
        queued = submissions.jobs_of_run(launcher.queue(), Path.cwd(), arguments)
        if args.submissions:
            submissions.refuse_queued(queued)
            print(submissions.table(config.folder / "logs", todo), end="")
            return
        findings.extend(found)
        _print_state(config, found, queued)
        commands = [submission.command(arguments) for submission in todo]
        if commands:
            print("to go on, each after the one before it has ended:", *commands, sep="\n  ")

    code = command.run(args, body)
    return code or INCOMPLETE * any(f.state != audit.WHOLE for f in findings)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(
        "status",
        __doc__ or "",
        "configs/demo.toml",
        "configs/demo.toml --curve r00-f00",
        "configs/demo.toml --submissions   # for slurm/pipeline.sh",
    )
    parser.add_argument("--deep", action="store_true", help="read and check every byte")
    parser.add_argument(
        "--curve", metavar="MODEL", help="a model's learning curve, such as r00-f00"
    )
    parser.add_argument(
        "--submissions", action="store_true", help="print jobs to submit and options, with tabs"
    )
    return parser


def _curve(config: Config, name: str) -> str:
    plan = read_plan(config.folder / "plan.json", config.layout.nulls)
    names = [model.name for model in (*plan.models, *plan.null_models)]
    if name not in names:
        msg = f"--curve {name} is not in the plan; known: {', '.join(names)}"
        raise FileError(msg)
    path = config.folder / "models" / name / "history.csv"
    history = pd.read_csv(path) if path.exists() else pd.DataFrame()
    return curves.curve_text(name, history)


def _print_state(
    config: Config, findings: Sequence[audit.Finding], queued: Sequence[submissions.QueuedJob]
) -> None:
    print(f"{config.folder}\n{'stage':14}{'whole':>8}{'missing':>9}{'broken':>8}")
    for stage, n in audit.count_states(findings).items():
        print(f"{stage:14}{n[audit.WHOLE]:8}{n[audit.MISSING]:9}{n[audit.BROKEN]:8}")
    faults = [finding.fault for finding in findings if finding.state == audit.BROKEN]
    for fault in faults[:MAX_FAULTS]:
        print(f"broken: {fault}")
    if len(faults) > MAX_FAULTS:
        print(f"and {len(faults) - MAX_FAULTS} more")
    for line in submissions.queue_lines(queued):
        print(f"in the queue: {line}")
    numbers = [job.number for job in queued]
    for stage in audit.incomplete_stages(findings):
        for cause in job_endings.stage_causes(config.folder, audit.JOB_OF_STAGE[stage], numbers):
            print(f"cause: {cause}")


if __name__ == "__main__":
    sys.exit(main())
