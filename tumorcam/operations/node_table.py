"""The cost of a whole run on different numbers of nodes."""

import argparse
from collections.abc import Sequence

from tumorcam.errors import ConfigError
from tumorcam.operations.budget import budgets
from tumorcam.operations.sizes import Sizes, sizes_of
from tumorcam.operations.time_ahead import Speed, hours_text, speed_of
from tumorcam.operations.work_left import core_hours_text, whole_run, work_table
from tumorcam.settings.config import Config

COLUMNS = ("prepare", "train", "explain", "reduce", "faithfulness", "report")


def whole_run_lines(config: Config, args: argparse.Namespace, n_ranks: int) -> list[str]:
    """What a run costs from nothing, on this machine or on the numbers of nodes asked for.

    Parameters
    ----------
    args : Namespace
        The options `samples`, `tumors`, `genes`, `nodes` and `cores`; 0 or empty where not given.
    n_ranks : int
        Processes of each parallel stage on this machine.

    Raises
    ------
    ConfigError
        If nothing tells the sizes, or `nodes` is no list of numbers.
    """
    nodes = parse_nodes(args.nodes) if args.nodes else []
    sizes = sizes_of(config, args.samples, args.tumors, args.genes)
    if sizes is None:
        msg = "the sizes are not known before prepare; pass --samples N --tumors N [--genes N]"
        raise ConfigError(msg)
    speed = speed_of(config, sizes)
    lines = [f"a run of {sizes.text}"]
    if nodes:
        return lines + node_lines(config, sizes, speed, nodes, args.cores)
    processes = f"with {n_ranks} processes of {config.run.threads_per_rank} threads:"
    works = whole_run(config, sizes, speed, n_ranks=n_ranks)
    return [*lines, processes, *work_table(works)]


def parse_nodes(text: str) -> list[int]:
    """Numbers of nodes, from text such as 1,2,4.

    Raises
    ------
    ConfigError
        If it is no list of numbers above 0.
    """
    words = text.split(",")
    if not all(word.isdigit() and int(word) for word in words):
        raise ConfigError(f"--nodes {text}: wanted numbers above 0, such as 1,2,4")
    return [int(word) for word in words]


def node_lines(
    config: Config, sizes: Sizes, speed: Speed, nodes: Sequence[int], cores: int
) -> list[str]:
    """The wall time of each stage of a run from nothing, a row for each number of nodes.

    Parameters
    ----------
    sizes : Sizes
        Of the run.
    speed : Speed
        Of a node.
    nodes : sequence of int
        Numbers of nodes.
    cores : int
        Cores of a node; 0 takes those of the machine whose speed it is.
    """
    cores = cores or speed.probe.n_cpus
    threads = min(config.run.threads_per_rank, speed.probe.threads, cores)
    head = "".join(f"{name:>13}" if name == "faithfulness" else f"{name:>9}" for name in COLUMNS)
    lines = [
        f"predicted wall time, on nodes of {cores} cores with {threads} threads a process:",
        f"{'nodes':>5}{'processes':>10}{head}{'in all':>10}{'core hours':>12}",
    ]
    for n_nodes in nodes:
        n_processes = n_nodes * max(1, cores // threads)
        stages = budgets(config, sizes, speed.probe, n_processes)
        if config.input.expression:
            stages.pop("synthesize")
        seconds = {name: stage.seconds(n_processes) for name, stage in stages.items()}
        total = sum(seconds.values())
        seconds["prepare"] += seconds.pop("synthesize", 0.0)
        cells = [
            f"{hours_text(seconds[name] / 3600):>{13 if name == 'faithfulness' else 9}}"
            for name in COLUMNS
        ]
        cored = sum(stage.core_seconds(n_processes) for stage in stages.values())
        ends = f"{hours_text(total / 3600):>10}{core_hours_text(cored):>12}"
        lines.append(f"{n_nodes:>5}{n_processes:>10}{''.join(cells)}{ends}")
    return [*lines, speed.note]
