"""docs/benchmarks.md, made from what the suite has measured."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmarks.measurement import BOUND, OURS, PEER

WIDTH = 128  # of a line of text
HEAD = """# Benchmarks

How fast each stage of tumorcam is, beside what the machine can do and beside what you would use
instead. The numbers and this page come from one command:

```bash
python -m benchmarks --json benchmarks/results.json --page docs/benchmarks.md
```

* **How it is measured.** The contenders take turns, so that a busy moment hits all of them. The
  speed is the median of the rounds, with the lowest and the highest round in brackets.
* **Ratio** is the speed of tumorcam over that of the contender, as the median over the rounds.
  Above 1, tumorcam is faster. It compares with the first row of each task.
* **Bound** is what the machine gives to a program that does the core of the work and nothing else.
  There the ratio is the share of the bound that tumorcam reaches.
* **Peer** is another tool for the same task. A tool that is not installed is left out.
"""
NOTES = {
    "prepare": """
        Reads, checks, filters and stores a table with genes in rows. The peers read it, turn it
        and write HDF5.""",
    "train step": """
        The default network on 107 × 107 pixels. The bound counts a forward pass and twice as much
        backwards, as matrix products.""",
    "explain": """
        Guided Grad-CAM of the default network on 107 × 107 pixels. The bound counts the useful
        operations as matrix products. Decoys take a second pass.""",
    "shards": """
        A file of maps as float16. tumorcam writes digests and waits for the disk. Before it reads a
        file it checks every byte, but only once in a process.""",
    "reduce": """
        All statistics of made-up shards. Most of the time goes to resampling, which grows with
        genes and tumors and not with the shards. The loop does the same for some genes, and its
        time is scaled to all.""",
    "faithfulness": """
        A small network classifies samples with changed genes. The peer gets as many images, which
        lie ready in memory.""",
    "report": """
        The page, tables and figures of a small run. The peer writes a table and a figure for each
        ranking, and no page.""",
}


def page_of(results: Mapping[str, Any]) -> str:
    """The page; `results` is what `python -m benchmarks --json` writes."""
    machine, versions = results["machine"], results["versions"]
    lines = [
        HEAD,
        f"Measured on {results['date']} on {machine['cores']} cores of {machine['cpu']} with "
        f"{machine['memory_gib']} GiB ({machine['system']}); rounds: {results['rounds']}.",
        "",
        _filled(f"Versions: {', '.join(f'{name} {v}' for name, v in versions.items())}."),
    ]
    if results["quick"]:
        lines += [
            "",
            "**Measured with `--quick`, whose sizes are too small to say how fast it is.**",
        ]
    for stage, of_stage in groupby(results["measurements"], key=lambda row: row["stage"]):
        lines += [
            "",
            f"## {stage.capitalize()}",
            "",
            _filled(NOTES[stage]),
            "",
            *_table(list(of_stage)),
        ]
    return "\n".join(lines) + "\n"


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| task | contender | | speed | ratio |", "| --- | --- | --- | --- | --- |"]
    kinds = (OURS, BOUND, PEER)
    for row in sorted(rows, key=lambda row: (row["work"], kinds.index(row["kind"]))):
        share = f"{100 * row['ratio']:.3g} % of it"
        ratio = share if row["kind"] == BOUND else f"{row['ratio']:.2f}"
        low, median, high = (_number(row[name]) for name in ("low", "median", "high"))
        speed = f"{median} ({low} to {high}) {row['unit']}"
        lines.append(f"| {row['work']} | {row['contender']} | {row['kind']} | {speed} | {ratio} |")
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
