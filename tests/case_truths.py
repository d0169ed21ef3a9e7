"""The values of each shared case, parsed by pandas or anndata in one way a kind.

A truth is what a reader must give, whatever it does: log2 values of every usable gene and sample,
and the names that must be among the drops. Nothing here uses a reader of the project.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd

COUNTERS = ("N_", "__")


class Truth(NamedTuple):
    """Log2 values (genes x samples) of usable genes, NaN where anything will do, and what is lost.

    `lost` are patterns of what the drops must list besides the samples that the case itself names.
    """

    log2: pd.DataFrame
    lost: tuple[str, ...] = ()


def read_plain(folder: Path, **options: Any) -> pd.DataFrame:
    """The case's own matrix, as pandas reads it."""
    path = next(p for p in sorted(folder.iterdir()) if p.name.startswith(("m.", "data.", "a.tsv")))
    options = {"sep": "," if path.suffix == ".csv" else "\t", "index_col": 0} | options
    table = pd.read_csv(path, **options)
    return table.rename(columns=lambda name: str(name).strip()).rename(index=str)


def base(folder: Path) -> Truth:
    """The matrix that most cases write in their own way."""
    return Truth(read_plain(folder.parent / "b05_bom", encoding="utf-8-sig"))


def plain(folder: Path) -> Truth:
    return Truth(read_plain(folder))


def latin1(folder: Path) -> Truth:
    return Truth(read_plain(folder, encoding="latin-1"))


def clipped(folder: Path) -> Truth:
    return Truth(read_plain(folder).clip(lower=0))


def one_missing(folder: Path) -> Truth:
    """The base with one cell that a rule fills."""
    log2 = base(folder).log2
    log2.loc["GENE007", "TCGA-AA-0004-01"] = np.nan
    return Truth(log2)


def ebpp_dropped(folder: Path) -> Truth:
    """RSEM: genes with more than a tenth of bad values leave, negative values become 0."""
    rsem = read_plain(folder)
    bad = (rsem.isna() | (rsem < 0)).mean(axis=1) > 0.1
    return Truth(np.log2(rsem[~bad].clip(lower=0) + 1), tuple(rsem.index[bad]))


def _cpm(counts: pd.DataFrame) -> pd.DataFrame:
    return np.log2(counts / counts.sum() * 1e6 + 1)


def _samples_of(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[:, table.columns.str.startswith("TCGA")].apply(pd.to_numeric)


def counts(folder: Path) -> Truth:
    """Log2 counts per million; counters are neither genes nor part of the library."""
    table = _samples_of(read_plain(folder, comment="#"))
    is_counter = table.index.str.startswith(COUNTERS)
    return Truth(_cpm(table[~is_counter]), tuple(table.index[is_counter]))


def star_names(folder: Path) -> Truth:
    table = read_plain(folder, comment="#")
    genes = table[~table.index.str.startswith(COUNTERS)].set_index("gene_name")
    return Truth(_cpm(_samples_of(genes)))


def tpm(folder: Path) -> Truth:
    table = read_plain(folder)
    is_counter = table.index.str.startswith(COUNTERS)
    return Truth(np.log2(table[~is_counter] + 1), tuple(table.index[is_counter]))


def toil(folder: Path) -> Truth:
    """log2(TPM + 0.001) as log2(TPM + 1)."""
    return Truth(np.log2((2 ** read_plain(folder) - 0.001).clip(lower=0) + 1))


def scaled_estimate(folder: Path) -> Truth:
    return Truth(np.log2(read_plain(folder) * 1e6 + 1))


def entrez(folder: Path) -> Truth:
    table = read_plain(folder, index_col=1)
    return Truth(_samples_of(table))


def hugo(folder: Path) -> Truth:
    table = read_plain(folder, keep_default_na=False)
    is_nameless = table.index == ""
    return Truth(_strongest(_samples_of(table[~is_nameless])), ("GENE004", "2*(gene|row)"))


def hugo_or_entrez(folder: Path) -> Truth:
    """A row without a symbol goes by its Entrez ID."""
    table = read_plain(folder, keep_default_na=False)
    names = np.where(table.index == "", table["Entrez_Gene_Id"].astype(str), table.index)
    return Truth(_strongest(_samples_of(table.set_axis(names))), ("GENE004",))


def _strongest(log2: pd.DataFrame) -> pd.DataFrame:
    """Of genes of one name the one that varies most."""
    ranked = log2.assign(variance=log2.var(axis=1)).sort_values("variance", ascending=False)
    return ranked[~ranked.index.duplicated()].drop(columns="variance")


def most_variable(folder: Path) -> Truth:
    table = read_plain(folder)
    return Truth(_strongest(table), ("GENE001",))


def header_twice(folder: Path) -> Truth:
    table = read_plain(folder, header=None).T.set_index("s").T
    return Truth(_strongest(table.T.astype(float)), ("GENE000",))


def first_columns(folder: Path) -> Truth:
    """Samples that occur twice: the first column of each."""
    return Truth(read_plain(folder).iloc[:, :16])


def uci(folder: Path) -> Truth:
    return Truth(read_plain(folder).T)


def without_par_y(folder: Path) -> Truth:
    table = read_plain(folder)
    is_par_y = table.index.str.endswith("_PAR_Y")
    return Truth(table[~is_par_y], tuple(table.index[is_par_y]))


def without_nameless(folder: Path) -> Truth:
    table = read_plain(folder, keep_default_na=False)
    return Truth(table[~table.index.isin(["NA", "NaN", ""])], ("3*(gene|row)",))


def nameless_by_line(folder: Path) -> Truth:
    """Genes without a name are called by their lines, as nobody's gene is."""
    table = read_plain(folder, keep_default_na=False)
    lines = [f"line {2 + i}" for i in range(len(table))]
    is_nameless = table.index.isin(["NA", "NaN", ""])
    return Truth(table.set_axis(np.where(is_nameless, lines, table.index)))


def arabic(folder: Path) -> Truth:
    return Truth(read_plain(folder, dtype=str).map(float))


def depmap(folder: Path) -> Truth:
    return Truth(read_plain(folder).T)


def depmap_models(folder: Path) -> Truth:
    table = read_plain(folder).set_index("ModelID").drop(columns=["SequencingID", "IsDefault"])
    return Truth(table.T.astype(float))


def rtcga(folder: Path) -> Truth:
    return Truth(read_plain(folder).drop(columns="dataset").T)


def _firehose(folder: Path, measure: str) -> pd.DataFrame:
    table = pd.read_csv(folder / "m.tsv", sep="\t", index_col=0, header=[0, 1])
    return table.xs(measure, axis=1, level=1).astype(float)


def firehose_normalized(folder: Path) -> Truth:
    return Truth(np.log2(_firehose(folder, "normalized_count") + 1))


def firehose_counts(folder: Path) -> Truth:
    return Truth(_cpm(_firehose(folder, "raw_count")))


def firehose_raw(folder: Path) -> Truth:
    return Truth(np.log2(_firehose(folder, "raw_count") + 1))


def _matrix(folder: Path, layer: str = "X") -> pd.DataFrame:
    data = anndata.read_h5ad(next(p for p in folder.iterdir() if p.suffix in (".h5ad", ".h5")))
    stored = {"X": lambda: data.X, "raw": lambda: data.raw.X}.get(layer)
    values = stored() if stored else data.layers[layer]
    dense = np.asarray(values.toarray() if hasattr(values, "toarray") else values, float)
    genes = data.raw.var_names if layer == "raw" else data.var_names
    return pd.DataFrame(dense.T, genes.astype(str), data.obs_names.astype(str))


def h5ad(folder: Path) -> Truth:
    return Truth(_matrix(folder))


def h5ad_counts(folder: Path) -> Truth:
    return Truth(_cpm(_matrix(folder)))


def h5ad_counts_layer(folder: Path) -> Truth:
    return Truth(_cpm(_matrix(folder, "counts")))


def h5ad_log_e(folder: Path) -> Truth:
    return Truth(_matrix(folder) / np.log(2))


def h5ad_raw_log_e(folder: Path) -> Truth:
    return Truth(_matrix(folder, "raw") / np.log(2))


def h5ad_most_variable(folder: Path) -> Truth:
    return Truth(_strongest(_matrix(folder)), ("GENE000",))


def h5ad_transposed(folder: Path) -> Truth:
    return Truth(_matrix(folder).T)


def h5ad_barcodes(folder: Path) -> Truth:
    table = anndata.read_h5ad(folder / "a.h5ad").obs
    column = "barcode" if "barcode" in table else "sample"
    return Truth(_matrix(folder).set_axis(table[column].astype(str), axis=1))


def _gene_names(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    names = anndata.read_h5ad(folder / "a.h5ad").var["gene_name"].astype(object)
    return _matrix(folder), names


def h5ad_gene_names(folder: Path) -> Truth:
    """Genes without a name keep that of the index."""
    table, names = _gene_names(folder)
    return Truth(table.set_axis(names.fillna(pd.Series(names.index, names.index)).astype(str)))


def h5ad_named_genes(folder: Path) -> Truth:
    table, names = _gene_names(folder)
    return Truth(table.set_axis(names.astype(str))[names.notna().to_numpy()])


def anndata_index(folder: Path) -> Truth:
    """A file without the name of its index: its first column of texts has the samples."""
    data = anndata.read_h5ad(folder / "e.h5ad")
    return Truth(_matrix(folder).set_axis(data.obs["_index"].astype(str), axis=1))


TRUTHS: dict[str, Callable[[Path], Truth]] = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__annotations__", {}).get("return") is Truth
}
TRUTHS["anndata"] = h5ad
