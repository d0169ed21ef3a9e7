"""All jobs of a run on this machine, in order; each does only what is missing."""

import shlex
import sys
import time

from jobs import command
from tumorcam.cluster import launcher, processes
from tumorcam.config import Config
from tumorcam.operations import job_endings

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness", "report")
RANKS = {  # parallel over ranks; mpi4py ends all of them when one fails
    "explain": [],
    "reduce": ["-m", "mpi4py"],
    "faithfulness": ["-m", "mpi4py"],
}


def main(argv: list[str] | None = None) -> int:
    """Run the stages; the exit code of the first that fails."""
    parser = command.parser(
        "pipeline", __doc__ or "", "configs/demo.toml", "configs/demo.toml --ranks 4"
    )
    parser.add_argument(
        "--ranks", type=int, help="processes of all that is parallel; default: CPUs / threads"
    )
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="last stage to run")
    args = parser.parse_args(argv)
    failed = 0

    def body(config: Config) -> None:
        nonlocal failed
        n_ranks = max(1, args.ranks or launcher.n_cpus() // config.run.threads_per_rank)
        environment = launcher.thread_environment(config.run.threads_per_rank)
        costs: dict[str, processes.Cost] = {}
        started = time.monotonic()
        for stage in STAGES[: STAGES.index(args.until) + 1]:
            if stage == "synthesize" and config.input.expression:
                continue
            commands = stage_commands(stage, command.arguments(args), n_ranks)
            if args.dry_run:
                print(*map(shlex.join, commands), sep="\n")
                continue
            print(f"pipeline: {time.monotonic() - started:6.0f} s  {stage}", flush=True)
            failed, costs[stage] = processes.run_together(commands, environment)
            if failed:
                for cause in job_endings.stage_causes(config.folder, stage)[:1]:
                    print(f"pipeline: {cause}", file=sys.stderr)
                again = shlex.join(["python", "-m", "jobs.pipeline", *(argv or sys.argv[1:])])
                text = f"{stage} ended with exit code {failed}; what is done is kept, go on with:"
                print(f"pipeline: {text} {again}", file=sys.stderr)
                break
        for stage, cost in costs.items():
            print(
                f"{stage:12}{cost.seconds:8.1f} s{cost.peak_bytes / 2**20:8.0f} MB in one process"
            )

    return command.run(args, body) or failed


def stage_commands(stage: str, arguments: list[str], n_ranks: int) -> list[list[str]]:
    """The commands of a stage, which run side by side."""
    module = ["-m", f"jobs.{stage}", *arguments]
    if stage == "train":
        shares = [["--share", f"{i}/{n_ranks}"] for i in range(n_ranks)]
        return [[sys.executable, *module, *share] for share in shares]
    if stage in RANKS and n_ranks > 1:
        launcher = [processes.find_mpiexec(), "-n", str(n_ranks), sys.executable]
        return [[*launcher, *RANKS[stage], *module]]
    return [[sys.executable, *module]]


if __name__ == "__main__":
    sys.exit(main())
