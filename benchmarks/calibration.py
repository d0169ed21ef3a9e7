"""Claimed against observed false discovery rates, on planted cohorts and on cohorts without truth.

    python -m benchmarks.calibration FOLDER [--ranks 2] [--only drivers planted ...]

Each cohort is a run of its own in FOLDER; a cohort that is done is not made again. At the end the
tables are printed and written to FOLDER/*.csv. The networks are small: half the filters of the
default, two dense layers, and a gene in each pooling window (`layout.spacing`).
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from scipy import stats

from tumorcam.explain.views import own_and_contrast
from tumorcam.faithfulness import agreement
from tumorcam.significance import statistics, truth
from tumorcam.significance.decoys import Scores, decoy_q_values
from tumorcam.significance.tables import Ranking, Significance, read_significance
from tumorcam.significance.truth import PlantedTruth
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

EFFECTS = (0.5, 1.0, 1.5, 2.0, 3.0)  # within-tumor SD
PLANTED = {  # samples: effects, a cohort each
    200: EFFECTS * 2,
    600: EFFECTS,
    1600: (0.5, 1.0, 2.0),
    5000: (1.0, 2.0),
}
EPOCHS = {200: 20, 600: 10, 1600: 5, 5000: 3}  # 2,000 to 7,000 samples shown in all
LAYOUTS = (1, 3, 6, 8, 10)
LEVELS = (0.05, 0.1)  # of q_decoy
N_NULL = 10  # cohorts without drivers, and as many with permuted labels
NULL_SAMPLES, NULL_LAYOUTS = 400, 3
TUMORS = ("BRCA", "COAD", "LIHC", "LUAD", "LUSC", "PRAD", "READ", "THCA")
N_PATIENTS, N_REPEATS = (20, 100, 400), 20_000  # of the p-values' simulation

STUDIES = ("drivers", "planted", "null", "permuted", "p_value")
METHODS = [
    "guided_grad_cam",
    "guided_grad_cam_shared",
    "guided_backprop",
    "guided_gradient",
    "gradient_x_input",
]
COARSE_METHODS = METHODS[:2]  # also with the coarse map of the first convolution

Rows = Iterator[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=STUDIES, choices=STUDIES)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    studies: dict[str, Callable[[], Any]] = {
        "drivers": lambda: drivers(args.folder / "drivers", args.ranks),
        "planted": lambda: summarise_planted(args.folder, planted(args.folder, args.ranks)),
        "null": lambda: nulls(args.folder, args.ranks, "null"),
        "permuted": lambda: nulls(args.folder, args.ranks, "permuted"),
        "p_value": p_values,
    }
    for name in args.only:
        table = pd.DataFrame(studies[name]())
        table.to_csv(args.folder / f"{name}.csv", index=False, float_format="%.4g")
        print(f"\n{name}\n{table.to_string(index=False, float_format='{:.3g}'.format)}", flush=True)


def planted(folder: Path, ranks: int) -> Rows:
    """A row a cohort, method, view, number of layouts and level of q_decoy."""
    for samples, effects in PLANTED.items():
        for seed, effect in enumerate(effects, start=1):
            run = folder / f"planted-{samples}-{effect}-{seed}"
            tables = settings(run, samples=samples, layouts=max(LAYOUTS), epochs=EPOCHS[samples])
            tables["run"]["seed"], tables["synthesize"]["effect"] = seed, effect
            make(run, tables, ranks)
            drop_models(run)
            for row in measure(run, LAYOUTS):
                yield {"samples": samples, "effect": effect} | row


def drivers(run: Path, ranks: int) -> Rows:
    """Eight layouts of three folds, five null replicates: a row a method and view."""
    tables = settings(run, samples=800, layouts=8, epochs=30)
    tables["cohort"]["genes"], tables["synthesize"]["genes"] = 1024, 1500
    tables["splits"]["folds"] = 3
    tables["explain"]["methods"] = [*METHODS, "integrated_gradients"]
    tables["layout"]["nulls"] = 5
    make(run, tables, ranks)
    make_first_layer(run, tables, ranks)
    significance = tables_of(run)
    planted = planted_truth(run, significance)
    own = planted.drives[:, significance.decoy_gene]  # decoys of the tumor's own drivers
    for name, ranking in rankings(run):
        both = np.hstack([ranking.score, ranking.present.score])
        in_top = np.argsort(-both, axis=1)[:, :20] >= len(significance.genes)
        scores = truth.score_against_truth(planted, ranking.rank, ranking.q_decoy, threshold=0.05)
        nulls = ranking.nulls
        differences = agreement.decoy_rank_differences(
            nulls.score, nulls.decoy_score, significance.decoy_gene, own
        )
        difference = agreement.t_interval(differences)
        yield {
            "ranking": name,
            "precision at 20": scores.precision,
            "decoys in the top 20": in_top.mean(),
            "called": scores.called,
            "power": scores.recall,
            "permuted: rank less decoy's": difference.mean,
            "low": difference.low,
            "high": difference.high,
            "permuted: most learned": int(nulls.learned.max()),
        }


def nulls(folder: Path, ranks: int, kind: str) -> Rows:
    """A row a method and view: in how many of the cohorts anything is graded learned."""
    learned: dict[str, list[int]] = {}
    smallest: dict[str, list[float]] = {}
    for seed in range(N_NULL):
        run = folder / f"{kind}-{seed}"
        tables = settings(run, samples=NULL_SAMPLES, layouts=NULL_LAYOUTS, epochs=10)
        tables["run"]["seed"] = 100 + seed
        tables["significance"] = {"recall": 0.0}
        change = {"effect": 0.0} if kind == "null" else {"permute_labels": True}
        tables["synthesize"] |= change
        make(run, tables, ranks)
        drop_models(run)
        for name, ranking in rankings(run):
            learned.setdefault(name, []).append(int((ranking.evidence == "learned").sum()))
            smallest.setdefault(name, []).append(float(ranking.q_decoy.min()))
    for name, counts in learned.items():
        yield {
            "ranking": name,
            "cohorts": len(counts),
            "with a learned gene": np.count_nonzero(counts),
            "most learned": max(counts),
            "smallest q_decoy": min(smallest[name]),
        }


def settings(run: Path, *, samples: int, layouts: int, epochs: int) -> dict[str, dict[str, Any]]:
    """The config of one small cohort: 600 genes, of which each has a decoy."""
    return {
        "run": {"folder": str(run), "threads_per_rank": 1},
        "cohort": {"genes": 600},
        "splits": {"folds": 2},
        "layout": {"replicates": layouts, "spacing": 2},
        "model": {"filters": [16, 32, 32], "dense": [128, 64]},
        "training": {
            "epochs": epochs,
            "patience": epochs,
            "warmup_epochs": epochs / 15,
            "batch_size": 16,
        },
        "explain": {"cubes": [], "methods": METHODS},
        "synthesize": {
            "tumors": list(TUMORS),
            "samples_per_tumor": samples // len(TUMORS),
            "genes": 900,
        },
    }


def make(run: Path, tables: dict[str, dict[str, Any]], ranks: int) -> None:
    """Run the pipeline up to the tables, unless they are there; the shards are deleted."""
    if RunFolder(run).significance.exists():
        return
    run.mkdir(parents=True, exist_ok=True)
    config = run / "settings.toml"
    config.write_text(tomli_w.dumps(tables))
    words = ["-m", "tumorcam.jobs", "run", str(config), "--ranks", str(ranks), "--until", "reduce"]
    with (run / "pipeline.log").open("w") as log:
        subprocess.run([sys.executable, *words], check=True, stdout=log, stderr=log)
    print(run.name, flush=True)
    shutil.rmtree(RunFolder(run).shards)


def make_first_layer(run: Path, tables: dict[str, dict[str, Any]], ranks: int) -> None:
    """The same networks explained with the coarse map of the first convolution, in RUN/conv1."""
    first = run / "conv1"
    if not RunFolder(first).significance.exists():
        source = RunFolder(run)
        for folder in (source.input.root, source.models):
            shutil.copytree(folder, first / folder.name, dirs_exist_ok=True)
        for file in (source.cohort, source.plan):
            shutil.copy2(file, first)
        explain = tables["explain"] | {"cam_layer": "conv1", "methods": COARSE_METHODS}
        make(
            first,
            tables | {"explain": explain, "run": tables["run"] | {"folder": str(first)}},
            ranks,
        )


def drop_models(run: Path) -> None:
    """Delete the networks of a cohort that is done, to save space."""
    shutil.rmtree(RunFolder(run).models, ignore_errors=True)


def tables_of(run: Path) -> Significance:
    """The tables of a run."""
    folder = RunFolder(run)
    return read_significance(folder.significance, read_plan(folder.plan).cohort_digest)


def planted_truth(run: Path, tables: Significance) -> PlantedTruth:
    """The planted drivers and proxies that are in the tables."""
    planted = truth.read_truth(RunFolder(run).input.truth, tables.tumors, tables.genes)
    assert planted is not None
    return planted


def measure(run: Path, layouts: tuple[int, ...]) -> Rows:
    """How well the rankings of the first K layouts, and the grade learned, find the drivers.

    A score of K layouts is the mean of theirs.
    """
    tables = tables_of(run)
    planted = planted_truth(run, tables)
    recall = tables.classification.recall.mean()
    for name, ranking in rankings(run):
        for k in layouts:
            columns = ranking.replicate_score[:k].mean(axis=0)
            scores_of_k = Scores.of_columns(columns, tables.decoy_gene)
            q_decoy = decoy_q_values(scores_of_k)
            calls = {f"q_decoy <= {level:g}": q_decoy <= level for level in LEVELS}
            if k == len(ranking.replicate_score):
                calls["learned"] = ranking.evidence == "learned"
            rank = statistics.rank_genes(scores_of_k.gene)
            auprc = agreement.average_precision(scores_of_k.gene, planted.drives).mean()
            for how, called in calls.items():
                scores = truth.score_against_truth(planted, rank, 1.0 - called, threshold=0.0)
                yield {
                    "ranking": name,
                    "layouts": k,
                    "called by": how,
                    "recall of tumors": recall,
                    "called": scores.called,
                    "proxies": scores.proxy,
                    "false": scores.neither,
                    "false share": scores.false_share,
                    "power": scores.recall,
                    "precision at 20": scores.precision,
                    "AUPRC": auprc,
                }


def summarise_planted(folder: Path, rows: Rows) -> pd.DataFrame:
    """Means over cohorts; the false share over those that call something, power at 2 SD apart.

    Every cohort's own rows are written to FOLDER/planted-cohorts.csv.
    """
    table = pd.DataFrame(rows)
    table.to_csv(folder / "planted-cohorts.csv", index=False, float_format="%.4g")
    table["power at 2 SD"] = table["power"].where(table["effect"] == 2.0)
    table["calls"] = table["called"] > 0
    summaries = {
        "calls": "sum",
        "false share": "mean",
        "power": "mean",
        "power at 2 SD": "mean",
        "precision at 20": "mean",
        "AUPRC": "mean",
    }
    by = table.groupby(["ranking", "layouts", "called by"], sort=False)
    return by.agg(summaries).reset_index()


def p_values() -> Rows:
    """Share of p-values at most 0.05 where own and rival maps are exchangeable.

    A sample's maps are products of a factor that they share and one of their own, as guided maps
    of strongly expressed genes are; the common scale is that of `own_and_contrast`.
    """
    rng = np.random.default_rng(0)
    shapes = {
        "normal": lambda size: rng.standard_normal(size),
        "Student's t, 2 degrees": lambda size: rng.standard_t(2, size),
        "Student's t times a shared t": lambda size: (
            rng.standard_t(2, size) * rng.standard_t(2, (size[0], 1, size[2]))
        ),
        "log-normal, skewed to the right": lambda size: rng.lognormal(0, 1, size),
        "minus log-normal, skewed to the left": lambda size: -rng.lognormal(0, 1, size),
    }
    for name, draw in shapes.items():
        for n in N_PATIENTS:
            n_genes = N_REPEATS // 20
            rejected = []
            for _ in range(20):
                maps = draw((n, 4, n_genes)).astype(np.float32)
                views = own_and_contrast(maps, n_genes=n_genes)
                p_value = statistics.signed_rank_p_values(views.contrast.astype(np.float64))
                rejected.append((p_value <= 0.05).mean())
            share = float(np.mean(rejected))
            low, high = stats.binomtest(round(share * N_REPEATS), N_REPEATS).proportion_ci()
            yield {"maps": name, "patients": n, "rejected": share, "low": low, "high": high}


def rankings(run: Path) -> Iterator[tuple[str, Ranking]]:
    """Every method and view, those with the coarse map of the first convolution last."""
    for folder, where in ((run, ""), (run / "conv1", " at conv1")):
        if RunFolder(folder).significance.exists():
            tables = tables_of(folder)
            for key in tables.keys:
                yield f"{key.method}{where}, {key.view}", tables.ranking(key)


if __name__ == "__main__":
    main()
