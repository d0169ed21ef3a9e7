"""Claimed against observed false discovery rates, on planted cohorts and on cohorts without truth.

    python -m benchmarks.calibration FOLDER [--ranks 2] [--only planted empty ...]
        [--first-seed 100] [--samples 200 600]

Each cohort is a run of its own in FOLDER, of which only its rows, FOLDER/COHORT.csv, are kept; a
cohort that has them is not made again. The tables are printed and written to FOLDER/STUDY.md, and
`--tables` makes them anew of the cohorts that are done. The networks are small: half the filters of
the default, two dense layers, and a gene in each pooling window (`layout.spacing`). Rules are
chosen on seeds below 100, and reported on seeds from 100.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

EFFECTS = (2.0, 2.0, 2.0, 1.0, 3.0, 0.5, 1.5)  # within-tumor SD
PLANTED = {  # samples: folds: effects, a cohort each
    200: {2: EFFECTS, 3: (2.0, 1.0, 3.0), 5: (2.0, 1.0, 3.0)},
    600: {2: EFFECTS, 3: (2.0, 1.0), 5: (2.0, 1.0)},
    1600: {2: (0.5, 1.0, 2.0), 3: (1.0,), 5: (1.0,)},
    5000: {2: (1.0, 2.0), 3: (1.0,), 5: (1.0,)},
}
EPOCHS = {200: 30, 600: 30, 1200: 30, 1600: 15, 5000: 5}  # of cohorts of so many samples
LAYOUTS = {200: (1, 3, 6, 10), 600: (1, 3, 6, 10), 1600: (1, 3, 6), 5000: (1, 3)}
EMPTY = {2: 10, 3: 10, 5: 20}  # folds: cohorts without drivers, every second with permuted labels
EMPTY_SAMPLES, EMPTY_LAYOUTS = 200, (1, 3, 6)
OTHER_SEEDS = 3  # cohorts of another make: ten tumors x 120 samples, ten drivers a tumor
NULL_RUNS = 3
LEVELS = (0.05, 0.1)  # of q_decoy
RULE = "margin"  # the rule of the tables, by `margin`
TUMORS = ("BRCA", "COAD", "LIHC", "LUAD", "LUSC", "PRAD", "READ", "THCA")
OTHER_TUMORS = ("ACC", "BLCA", "CESC", "ESCA", "HNSC", "LAML", "MESO", "OV", "SKCM", "UCEC")
N_PATIENTS, N_REPEATS = (20, 100, 400), 20_000  # of the p-values' simulation

METHODS = [
    "guided_grad_cam",
    "guided_grad_cam_shared",
    "guided_backprop",
    "guided_gradient",
    "gradient_x_input",
]

Rows = Iterator[dict[str, Any]]
Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Cohort:
    """A planted cohort: its name, what its rows say of it, its settings and numbers of layouts."""

    name: str
    about: dict[str, Any]
    settings: Settings
    layouts: tuple[int, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument(
        "--only", nargs="+", default=[*STUDIES, P_VALUE], choices=[*STUDIES, P_VALUE]
    )
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--samples", nargs="+", type=int, default=PLANTED, choices=PLANTED)
    parser.add_argument("--tables", action="store_true", help="of the cohorts that are done")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for study in args.only:
        if study == P_VALUE:
            tables = {study: pd.DataFrame(p_values())}
        else:
            cohorts = [
                cohort
                for cohort in STUDIES[study](args.first_seed)
                if cohort.about["samples"] in args.samples or study != "planted"
            ]
            if not args.tables:
                for cohort in cohorts:
                    make(args.folder, cohort, args.ranks)
            rows = [args.folder / f"{cohort.name}.csv" for cohort in cohorts]
            done = [pd.read_csv(path) for path in rows if path.exists()]
            tables = summaries(pd.concat(done)) if done else {}
        pages = [f"## {study}: {name}\n\n{markdown(table)}\n" for name, table in tables.items()]
        (args.folder / f"{study}.md").write_text("\n".join(pages))
        print("\n".join(pages), flush=True)


def planted(first_seed: int) -> Iterator[Cohort]:
    """Cohorts of every size, effect and number of folds; the small ones come first."""
    for samples, of_folds in PLANTED.items():
        for folds, effects in of_folds.items():
            for seed, effect in enumerate(effects, start=first_seed + 10 * folds):
                tables = settings(samples, folds, max(LAYOUTS[samples]), seed)
                tables["synthesize"]["effect"] = effect
                about = {"samples": samples, "effect": effect, "folds": folds}
                name = f"planted-{samples}-{effect:g}-{folds}-{seed}"
                yield Cohort(name, about, tables, LAYOUTS[samples])


def empty(first_seed: int) -> Iterator[Cohort]:
    """Cohorts without drivers: no gene rises in any tumor, or the labels are permuted."""
    for i in range(max(EMPTY.values())):
        for folds, n_cohorts in EMPTY.items():
            if i >= n_cohorts:
                continue
            seed = first_seed + 20 * list(EMPTY).index(folds) + i
            tables = settings(EMPTY_SAMPLES, folds, max(EMPTY_LAYOUTS), seed)
            tables["synthesize"] |= {"permute_labels": True} if i % 2 else {"effect": 0.0}
            about = {"samples": EMPTY_SAMPLES, "effect": 0.0, "folds": folds}
            yield Cohort(f"empty-{folds}-{seed}", about, tables, EMPTY_LAYOUTS)


def other(first_seed: int) -> Iterator[Cohort]:
    """Cohorts of another make: other tumors, none confusable, and half as many drivers."""
    for seed in range(first_seed, first_seed + OTHER_SEEDS):
        tables = settings(1200, 2, 6, seed)
        tables["cohort"]["genes"] = 900
        changes = {"tumors": list(OTHER_TUMORS), "samples_per_tumor": 120, "genes": 1200}
        tables["synthesize"] |= changes | {"drivers": 10, "batches": 1}
        yield Cohort(f"other-{seed}", {"samples": 1200, "effect": 2.0, "folds": 2}, tables, (6,))


def null_runs(first_seed: int) -> Iterator[Cohort]:
    """A cohort with null runs: networks trained on permuted labels, explained for the true ones."""
    for folds in EMPTY:
        tables = settings(600, folds, 6, first_seed)
        tables["layout"]["nulls"] = NULL_RUNS
        about = {"samples": 600, "effect": 2.0, "folds": folds}
        yield Cohort(f"null-runs-{folds}-{first_seed}", about, tables, (6,))


STUDIES = {
    "planted": planted,
    "empty": empty,
    "other": other,
    "null_runs": null_runs,
}
P_VALUE = "p_value"  # the simulation of p-values, without cohorts


def settings(samples: int, folds: int, layouts: int, seed: int) -> Settings:
    """The config of one small cohort: 600 genes, of which each has a decoy."""
    epochs = EPOCHS[samples]
    return {
        "run": {"threads_per_rank": 1, "seed": seed},
        "cohort": {"genes": 600},
        "splits": {"folds": folds},
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


def make(folder: Path, cohort: Cohort, ranks: int) -> None:
    """Run the pipeline up to the tables, for every number of layouts; keep the cohort's rows."""
    rows = folder / f"{cohort.name}.csv"
    if rows.exists():
        return
    run = RunFolder(folder / cohort.name)
    run.root.mkdir(exist_ok=True)
    config = run.root / "settings.toml"
    tables = cohort.settings | {"run": cohort.settings["run"] | {"folder": str(run.root)}}
    config.write_text(tomli_w.dumps(tables))
    call(run, "run", str(config), "--ranks", str(ranks), "--until", "reduce")
    plan = read_plan(run.plan)
    measured: list[dict[str, Any]] = []
    for k in sorted(cohort.layouts, reverse=True):
        if k < tables["layout"]["replicates"]:  # the tables of the first k layouts
            for shard in plan.shards:
                if shard.replicate >= k:
                    run.shard(shard).unlink(missing_ok=True)
            call(run, "reduce", str(config), "--allow-partial")
        about = cohort.about | {"cohort": cohort.name, "layouts": k}
        measured += [about | row for row in measure(run, has_drivers=cohort.about["effect"] > 0)]
    written = rows.with_suffix(".part")
    pd.DataFrame(measured).to_csv(written, index=False, float_format="%.4g")
    written.rename(rows)
    shutil.rmtree(run.root)
    print(cohort.name, flush=True)


def call(run: RunFolder, *words: str) -> None:
    """Run a command of tumorcam; its log is RUN/pipeline.log."""
    with (run.root / "pipeline.log").open("a") as log:
        command = [sys.executable, "-m", "tumorcam.jobs", *words]
        subprocess.run(command, check=True, stdout=log, stderr=log)


def measure(run: RunFolder, *, has_drivers: bool) -> Rows:
    """A row for each ranking, rule, level and tumor: what is called, and what of it is false."""
    tables = read_significance(run.significance, read_plan(run.plan).cohort_digest)
    planted = truth.read_truth(run.input.truth, tables.tumors, tables.genes)
    assert planted is not None
    drives, is_proxy = planted.drives & has_drivers, planted.is_proxy & has_drivers
    for key in tables.keys:
        ranking = tables.ranking(key)
        top = np.argsort(np.where(is_proxy, np.inf, ranking.rank), axis=1)  # proxies do not count
        precision = np.take_along_axis(drives, top, axis=1)
        for tumor, name in enumerate(tables.tumors.tolist()):
            n_drivers = int(drives[tumor].sum())
            row = {
                "ranking": f"{key.method}, {key.view}",
                "tumor": name,
                "recall": tables.classification.recall[tumor],
                "drivers": n_drivers,
                "precision": precision[tumor, :n_drivers].mean() if n_drivers else np.nan,
                "null runs called": ranking.nulls.called.sum(),
            }
            for (rule, level), is_called in calls(ranking, tables).items():
                called = is_called[tumor]
                is_true = drives.any(axis=0) | is_proxy.any(axis=0)
                yield row | {
                    "rule": rule,
                    "level": level,
                    "called": called.sum(),
                    "own": (called & drives[tumor]).sum(),
                    "false": (called & ~is_true).sum(),
                    "proxies": (called & is_proxy.any(axis=0) & ~drives.any(axis=0)).sum(),
                }


def calls(ranking: Ranking, tables: Significance) -> dict[tuple[str, float], np.ndarray]:
    """What each rule calls at each level, (tumors, genes) bool.

    "margin" is the rule of the tables, by the margin over both scores of a decoy. "two rates" asks
    for both rates alone: by the margin over the present decoy, and by counts of the chance decoys.
    """
    by_present = decoy_q_values(Scores(ranking.score, ranking.present.score, tables.decoy_gene))
    two_rates = np.maximum(by_present, counted_q_values(ranking.score, ranking.chance.score))
    rules = {RULE: ranking.q_decoy, "two rates": two_rates}
    called = {(rule, level): q <= level for rule, q in rules.items() for level in LEVELS}
    return called | {("learned", 0.05): ranking.evidence == "learned"}


def counted_q_values(gene: np.ndarray, decoy: np.ndarray) -> np.ndarray:
    """The q-values of `decoy_q_values` by counts of scores, with as many decoys as genes."""
    genes, decoys = np.sort(gene, axis=None), np.sort(decoy, axis=None)
    n_genes = len(genes) - np.searchsorted(genes, genes)
    rate = np.minimum(1, (1 + len(decoys) - np.searchsorted(decoys, genes)) / n_genes)
    return np.minimum.accumulate(rate)[np.searchsorted(genes, gene)]


def summaries(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of a study; shares are in per cent.

    A cohort in which nothing is called counts as one without false pairs. Rules are compared with
    six layouts; what does not name a rule is by that of the tables, at the smaller level.
    """
    counts = ["called", "own", "false", "proxies", "drivers"]
    of_cohort = ["samples", "effect", "folds", "cohort", "layouts", "ranking", "rule", "level"]
    grouped = rows.groupby(of_cohort, sort=False)
    cohorts = grouped[counts].sum().join(grouped["precision"].mean())
    cohorts = cohorts.join(grouped["null runs called"].max()).reset_index()
    cohorts["false share"] = 100 * cohorts["false"] / np.maximum(cohorts["called"], 1)
    cohorts["power"] = 100 * cohorts["own"] / cohorts["drivers"]
    six = cohorts[cohorts["layouts"] == 6]
    rule = cohorts[(cohorts["rule"] == RULE) & (cohorts["level"] == LEVELS[0])]
    rules = ["rule", "level", "folds"]
    tables = {
        "cohorts that call, by rule": pivot(six, rules, "called", n_calling),
        "cohorts that call": pivot(rule, ["folds", "layouts"], "called", n_calling),
    }
    if not rows["drivers"].any():
        return tables
    tumors = rows.assign(share=100 * rows["false"] / rows["called"])
    tumors = tumors[(tumors["layouts"] == 6) & (tumors["called"] > 0)]
    sizes = ["folds", "samples", "effect", "layouts"]
    return tables | {
        "false share, by rule": pivot(six, rules, "false share", mean_interval),
        "false share": pivot(rule, ["folds", "layouts"], "false share", mean_interval),
        "false share of a tumor that has calls": pivot(tumors, rules, "share", mean),
        "drivers called, by rule": pivot(six, [*rules, "samples", "effect"], "power", mean),
        "drivers called": pivot(rule, sizes, "power", mean),
        "precision": pivot(rule, sizes, "precision", mean),
        "proxies": pivot(rule, sizes, "proxies", mean),
        "called in null runs": pivot(rule, ["folds"], "null runs called", most),
    }


def pivot(
    rows: pd.DataFrame, columns: list[str], values: str, aggregate: Callable[[pd.Series], str]
) -> pd.DataFrame:
    """A row of words for each ranking; the values of `columns` name the columns of the table."""
    cells: dict[str, dict[str, str]] = {}
    for (ranking, *of), part in rows.groupby(["ranking", *columns], sort=False)[values]:
        words = zip(columns, of, strict=True)
        name = ", ".join(str(v) if isinstance(v, str) else f"{word} {v:g}" for word, v in words)
        cells.setdefault(name, {})[ranking] = aggregate(part)
    return pd.DataFrame(cells).fillna("").rename_axis("ranking").reset_index()


def n_calling(called: pd.Series) -> str:
    return f"{(called > 0).sum()} of {len(called)}"


def mean_interval(shares: pd.Series) -> str:
    """The mean and, of two or more, its 95 % interval by Student's t."""
    if len(shares) < 2:
        return mean(shares)
    interval = agreement.t_interval(shares.to_numpy())
    return f"{shares.mean():.1f} ({interval.low:.1f} to {interval.high:.1f})"


def mean(values: pd.Series) -> str:
    return f"{values.mean():.3g}"


def most(values: pd.Series) -> str:
    return f"{values.max():g}"


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown."""
    lines = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


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


if __name__ == "__main__":
    main()
