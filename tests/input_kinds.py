"""Kinds of input that users have, written from one small truth, each with its right outcome.

A kind writes its files into a folder and says with which settings they are read, and what is right:
the cohort, or words that the message has. This module has the truth and what all kinds share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from judged_runs import NO_SAMPLE, Expected, patient_of_barcode

SYMBOLS = (
    "TP53 BRCA1 EGFR KRT5 ALB TG PAX8 HLA-A HLA-DRB1 MT-CO1 C1orf112 NKX2-1 ERBB2 MYC KRAS PTEN "
    "RB1 VHL APC CDH1 SOX2 GATA3 ESR1 FOXA1 KLK3 AFP MS4A1 CD3E CD8A PMEL MLANA TYR GFAP OLIG2 "
    "WT1 MSLN CALB2 TTF1 NAPSA RP11-34P13.7"
).split()
TUMORS = ("BRCA", "LUAD", "KIRC")
PATIENTS, NORMALS = 6, 2  # of each tumor; normals are of the first patients
DEFAULTS = {"splits.folds": "2", "layout.replicates": "1"}


def make_log2() -> pd.DataFrame:
    """(40 genes, 24 samples): 18 primary tumors of three types, then 6 matched normals."""
    rng = np.random.default_rng(18)
    primary = [f"TCGA-{tumor[:2]}-A{n:03d}-01" for tumor in TUMORS for n in range(PATIENTS)]
    normal = [f"TCGA-{tumor[:2]}-A{n:03d}-11" for tumor in TUMORS for n in range(NORMALS)]
    spread = rng.uniform(0.5, 2.5, (len(SYMBOLS), 1))
    values = 6 + spread * rng.normal(size=(len(SYMBOLS), len(primary + normal)))
    return pd.DataFrame(values.clip(0.05).round(4), SYMBOLS, primary + normal)


LOG2 = make_log2()
IDS = list(LOG2)
TUMOR = [tumor for tumor in TUMORS for _ in range(PATIENTS)]
TUMOR += [tumor for tumor in TUMORS for _ in range(NORMALS)]
IS_NORMAL = [name.endswith("-11") for name in IDS]
LABELS = [NO_SAMPLE if n else t for t, n in zip(TUMOR, IS_NORMAL, strict=True)]
COUNTS = (2**LOG2 * np.linspace(3, 9, len(IDS))).round().astype(int)
SAMPLES = pd.DataFrame({"sample": IDS, "tumor_type": TUMOR})


def cpm(counts: pd.DataFrame) -> pd.DataFrame:
    """Log2 counts per million, of all genes."""
    return np.log2(counts / counts.sum() * 1e6 + 1)


@dataclass(frozen=True)
class Kind:
    """One shape of input.

    `write` fills a folder and may return further settings. The matrix is m.tsv and the samples
    table s.tsv unless `settings` say otherwise. Without `must` it is read: `log2` are its values
    in the order of `labels`, or several that would do; `drops` are patterns of the drops. With
    `must` it is refused.
    """

    name: str
    write: Callable[[Path], Any]
    settings: tuple[str, ...] = ()
    log2: pd.DataFrame | tuple[pd.DataFrame, ...] = ()
    labels: Sequence[str] = ()
    drops: tuple[str, ...] = ()
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    patient_of: Callable[[str], str] = patient_of_barcode
    names: tuple[dict[str, str], ...] = ({},)

    def expectations(self) -> list[Expected]:
        """Each cohort that would be right: of any of the values, with any of the gene names."""
        options = self.log2 if isinstance(self.log2, tuple) else (self.log2,)
        labels = list(self.labels or LABELS)
        return [
            Expected(log2.rename(index=names), labels, self.drops, self.patient_of)
            for log2 in options or (LOG2,)
            for names in self.names
        ]


def text_of(table: pd.DataFrame, sep: str = "\t", corner: str | None = "gene", **how: Any) -> str:
    """A table as text, with the names of its rows in front."""
    return table.to_csv(sep=sep, index_label=corner, **how)


def write(
    matrix: str | bytes | None = None,
    samples: str | bytes | None = None,
    matrix_name: str = "m.tsv",
    samples_name: str = "s.tsv",
    **others: str | bytes,
) -> Callable[[Path], list[str]]:
    """Write texts or bytes as they are; without one, the plain table stands in."""
    plain_samples = SAMPLES.to_csv(sep="\t", index=False)
    texts = {
        matrix_name: text_of(LOG2) if matrix is None else matrix,
        samples_name: plain_samples if samples is None else samples,
        **others,
    }

    def fill(folder: Path) -> list[str]:
        for name, content in texts.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
        return [f"input.expression={matrix_name}", f"input.samples={samples_name}"]

    return fill


def table(columns: dict[str, Sequence[Any]], sep: str = "\t", **how: Any) -> str:
    """A samples table of these columns as text."""
    return pd.DataFrame(columns).to_csv(sep=sep, index=False, **how)


def edit(text: str, change: Callable[[list[list[str]]], None], sep: str = "\t") -> str:
    """A text table after its rows of cells were changed in place."""
    rows = [line.split(sep) for line in text.splitlines()]
    change(rows)
    return "".join(sep.join(row) + "\n" for row in rows)
