"""Size and speed of the page with 33 tumors × 20,000 genes, in a real Chromium.

    python -m benchmarks.page FOLDER [--tumors 33] [--genes 20000] [--repeats 5]

It takes the page of the finished run in FOLDER and puts random data of the given size in place of
its own, since only the size matters here. Printed are the size of the page, the time from opening
it until it can be searched, and the time from the last key of a search to the drawn panel.
"""

import argparse
import re
import shutil
import statistics
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tumorcam.cohort.layout import GeneLayout
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.report import page_data
from tumorcam.settings import DEFAULT_METHODS
from tumorcam.storage.run_folder import RunFolder

N_REPLICATES = 40  # values that replication can have
DATA = re.compile(r'(<script type="application/json" id="run-data">).*?(</script>)', re.DOTALL)


def random_content(n_tumors: int, n_genes: int, rng: np.random.Generator) -> dict[str, Any]:
    """The data of a page of random numbers, spread as those of real runs are."""
    shape = n_tumors, n_genes
    tumors = np.array([f"T{i:02d}" for i in range(n_tumors)])
    side = int(np.ceil(np.sqrt(2 * n_genes)))
    layout = GeneLayout(side, rng.permutation(side**2)[: 2 * n_genes], np.arange(n_genes))
    n_samples = 12 * n_tumors
    cohort: Any = SimpleNamespace(
        tumors=tumors,
        tumor=np.arange(n_samples) % n_tumors,
        genes=np.array([f"GENE{i:05d}" for i in range(n_genes)]),
        layouts=(layout,),
        recall=None,
        gene_bands=lambda genes: [rng.normal(8, 2, (n_samples, len(range(n_genes)[genes])))],
    )

    def ranking(key: RankingKey) -> Any:
        score = 0.3 * rng.standard_t(4, shape)
        decoy = SimpleNamespace(score=0.3 * rng.standard_t(4, shape))
        is_learned = score > 3
        return SimpleNamespace(
            key=key,
            method=key.method,
            view=key.view,
            score=score,
            margin=score - np.abs(0.2 * rng.standard_t(4, shape)),
            replication=rng.binomial(N_REPLICATES, 0.33, shape) / N_REPLICATES,
            q_decoy=np.where(is_learned, 0.03, np.minimum(1, rng.random(shape) * 3)),
            q_value=rng.random(shape),
            rank=(-score).argsort(axis=1).argsort(axis=1) + 1.0,
            rank_low=np.ones(shape),
            rank_high=np.full(shape, 9.0),
            evidence=np.where(is_learned, "learned", "none"),
            is_learned=is_learned,
            present=decoy,
            chance=decoy,
        )

    probability = rng.dirichlet(np.ones(n_tumors), (1, n_samples))
    results: Any = SimpleNamespace(
        tumors=tumors,
        genes=cohort.genes,
        decoy_gene=layout.decoy_gene,
        n=np.full(n_tumors, 300),
        expression_auroc=rng.beta(5, 5, shape),
        log2_fold_change=rng.normal(0, 0.8, shape),
        classification=SimpleNamespace(probability=probability, recall=np.full(n_tumors, 0.9)),
        keys=ranking_keys(DEFAULT_METHODS),
        ranking=ranking,
    )
    data = page_data.page_data(cohort, results, results.keys[-1], top=20)
    print("rankings left out:", ", ".join(data.left_out) or "none")
    return data.content


def seconds_to_open(page: Page, address: str) -> float:
    """Seconds from the start of loading until the data are unpacked."""
    page.goto(address)
    return float(page.evaluate("ready.then(() => performance.now())")) / 1000


def seconds_to_panel(page: Page, name: str) -> float:
    """Seconds from the Enter key of a search until the panel is drawn on the screen."""
    return float(
        page.evaluate(
            """async (name) => {
                const box = document.getElementById("search");
                box.value = name;
                const start = performance.now();
                box.dispatchEvent(new InputEvent("input", { bubbles: true }));
                box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
                while (document.querySelector("#panel h3")?.textContent !== name)
                    await new Promise(requestAnimationFrame);
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                return (performance.now() - start) / 1000;
            }""",
            name,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of a finished run")
    parser.add_argument("--tumors", type=int, default=33)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    content = page_data.json_text(random_content(args.tumors, args.genes, rng))
    html = RunFolder(args.folder).page.read_text(encoding="utf-8")
    html = DATA.sub(lambda match: match[1] + content + match[2], html)
    print(f"page: {len(html.encode()) / 1e6:.1f} MB")
    opening, genes, tumors = [], [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "index.html"
        path.write_text(html, encoding="utf-8")
        chromium = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for i in range(args.repeats):
            page = chromium.new_page()
            opening.append(seconds_to_open(page, path.as_uri()))
            genes.append(seconds_to_panel(page, f"GENE{rng.integers(args.genes):05d}"))
            tumors.append(seconds_to_panel(page, f"T{i % args.tumors:02d}"))
            page.close()
        chromium.close()
    for title, values in (("open", opening), ("gene panel", genes), ("tumor panel", tumors)):
        print(f"{title}: median {statistics.median(values):.2f} s, largest {max(values):.2f} s")


if __name__ == "__main__":
    main()
