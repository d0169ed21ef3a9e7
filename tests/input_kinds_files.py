"""Kinds of files: lists, folders, a file a sample, joins, AnnData, Parquet and Feather."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse
from input_kinds import COUNTS, IDS, LOG2, SAMPLES, SYMBOLS, TUMOR, Kind, cpm, table, text_of, write

CPM, COUNTED = cpm(COUNTS), ("input.scale=counts",)


def _several(**texts: str) -> Callable[[Path], Any]:
    return write(None, None, "unused.tsv", **{f"{name}.tsv": t for name, t in texts.items()})


def joins() -> Iterator[Kind]:
    a, b = text_of(LOG2.iloc[:, :10]), text_of(LOG2.iloc[:, 10:])
    by_sample = _several(a=a, b=b)
    both = ('input.expression=["a.tsv", "b.tsv"]',)
    yield Kind("two files, by sample", by_sample, both)
    yield Kind("two files, a pattern", by_sample, ("input.expression=[ab].tsv",))
    other = _several(a=a, b=text_of(LOG2.iloc[::-1, 10:]))
    yield Kind("two files, other order of genes", other, both)
    turned = _several(a=a, b=text_of(LOG2.iloc[:, 10:].T, corner="sample"))
    yield Kind("two files, one transposed", turned, both)
    by_gene = _several(a=text_of(LOG2.iloc[:17]), b=text_of(LOG2.iloc[17:]))
    yield Kind("two files, by gene", by_gene, both)
    neither = _several(a=text_of(LOG2.iloc[:20, :12]), b=text_of(LOG2.iloc[20:, 12:]))
    yield Kind(
        "two files without a common name", neither, both, must=(r"a\.tsv|b\.tsv", "gene|sample")
    )
    twice = _several(a=a, b=text_of(LOG2.iloc[:, 9:]))
    yield Kind("two files with a common sample", twice, both, must=(IDS[9],))
    less = _several(a=a, b=text_of(LOG2.iloc[3:, 10:]))
    missing = Kind(
        "two files, genes missing in one", less, both, log2=LOG2.iloc[3:], drops=("TP53",)
    )
    yield missing
    missing_file = ('input.expression=["a.tsv", "c.tsv"]',)
    yield Kind(
        "a file that is not there", by_sample, missing_file, must=(r"c\.tsv", "no file|not exist")
    )
    nothing = ("input.expression=none*.tsv",)
    yield Kind("a pattern without files", by_sample, nothing, must=(r"none\*\.tsv", "no file"))
    dots = LOG2.iloc[17:].rename(columns=lambda name: name.replace("-", "."))
    spelled = _several(a=text_of(LOG2.iloc[:17]), b=text_of(dots))
    yield Kind("two files, by gene, dots in one", spelled, both)
    ids = [f"ENSG{i:011d}" for i in range(len(SYMBOLS))]
    old, new = (LOG2.set_axis([f"{name}.{version}" for name in ids]) for version in ("5", "12"))
    versions = _several(a=text_of(old.iloc[:, :10]), b=text_of(new.iloc[:, 10:]))
    yield Kind("two files, other versions of genes", versions, both, log2=LOG2.set_axis(ids))
    linear = (2**LOG2 * 40).round(2)
    scales = _several(a=text_of(linear.iloc[:, :10]), b=text_of(np.log2(linear.iloc[:, 10:] + 1)))
    must = ("different scales", IDS[12], "logarithms")
    yield Kind("two files, two scales", scales, (*both, "input.scale=rsem"), must=must)
    zeros = linear.where(linear > linear.quantile(0.2).min(), 0)
    per_million = zeros / zeros.sum() * 1e6
    ways = {
        "counts and TPM": (COUNTS, per_million, "counts"),
        "counts and FPKM": (COUNTS, zeros / 7.3, "counts"),
        "log2 and Toil's": (np.log2(zeros + 1), np.log2(per_million + 0.001), "log2_tpm_001"),
        "log2 counts and log2": (np.log2(COUNTS // 99 + 1), LOG2, "log2"),
    }
    for name, (first, second, scale) in ways.items():
        files = _several(a=text_of(first.iloc[:, :10]), b=text_of(second.iloc[:, 10:]))
        must = (r"[ab]\.tsv is not on the scale of [ab]\.tsv", "one scale")
        yield Kind(f"two files, {name}", files, (*both, f"input.scale={scale}"), must=must)
    centred = LOG2.sub(LOG2.mean(axis=1), axis=0)
    scores = _several(a=text_of(LOG2.iloc[:, :10]), b=text_of(centred.iloc[:, 10:]))
    for scale in ("log2", "as_is"):
        setting = (*both, f"input.scale={scale}")
        must = ("different scales", "negative")
        yield Kind(f"two files, one of z-scores, {scale}", scores, setting, must=must)
    commas = ("input.expression=a.tsv,b.tsv",)
    yield Kind("commas between files", by_sample, commas)
    tables = (
        table({"sample": IDS[:9], "tumor_type": TUMOR[:9]}),
        table({"sample": IDS[9:], "tumor_type": TUMOR[9:]}),
    )
    numbers = [str(i) for i in range(len(IDS))]
    moved = [numbers[(i // 2 + 7) % 24] for i in range(len(IDS))]  # two samples of each patient
    tumor_of = dict(zip(moved[::2], TUMOR[::2], strict=True))
    log2 = LOG2.set_axis(numbers, axis=1)
    first = table({"sample_id": numbers, "patient_id": moved})
    second = table({"patient_id": list(tumor_of), "diagnosis": list(tumor_of.values())})
    settings = ('input.samples=["s.tsv", "t.tsv"]', "cohort.sample_types=[]")
    for one, other in ((first, second), (second, first)):
        given = write(text_of(log2), one, **{"t.tsv": other})
        yield Kind(
            f"patients whose codes are those of samples, {one[:7]} first",
            given,
            settings,
            log2=log2,
            labels=[tumor_of[patient] for patient in moved],
            patient_of=dict(zip(numbers, moved, strict=True)).__getitem__,
        )
    upper = tables[1].replace("sample\ttumor_type", "SAMPLE\tTUMOR_TYPE")
    both_cases = write(None, tables[0], **{"t.tsv": upper})
    yield Kind("two tables, one in capitals", both_cases, ('input.samples=["s.tsv", "t.tsv"]',))
    parts = write(None, tables[0], **{"t.tsv": tables[1]})
    yield Kind("two tables, by row", parts, ('input.samples=["s.tsv", "t.tsv"]',))


def _h5ad(
    change: Callable[[anndata.AnnData], Any] = lambda data: None, name: str = "a.h5ad"
) -> Callable[[Path], list[str]]:
    """An AnnData file of the log2 values; `change` edits it, or returns another."""

    def fill(folder: Path) -> list[str]:
        obs = pd.DataFrame({"tumor_type": TUMOR}, index=IDS)
        data = anndata.AnnData(LOG2.T.to_numpy(), obs, pd.DataFrame(index=SYMBOLS))
        data.layers["counts"] = COUNTS.T.to_numpy()
        other = change(data)
        (data if other is None else other).write_h5ad(folder / name)
        return [f"input.expression={name}", "input.samples="]

    return fill


def annotated() -> Iterator[Kind]:
    def set_x(
        make: Callable[[np.ndarray], Any], values: pd.DataFrame = LOG2
    ) -> Callable[[Path], list[str]]:
        return _h5ad(lambda data: setattr(data, "X", make(values.T.to_numpy())))

    def raw(data: anndata.AnnData) -> None:
        data.raw = data.copy()
        data.X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)

    def columns(data: anndata.AnnData) -> None:
        data.obs["tumor_type"] = data.obs["tumor_type"].astype("category")
        data.obs["flag"] = pd.array([True, None] * 12, dtype="boolean")
        data.obs["age"] = pd.array([50, None] * 12, dtype="Int64")

    def rows(data: anndata.AnnData) -> None:
        data.obs = data.obs.assign(barcode=IDS).set_axis([str(i) for i in range(len(IDS))])

    def symbols(data: anndata.AnnData) -> None:
        data.var = pd.DataFrame({"symbol": SYMBOLS}, index=[f"ENSG{i:011d}.2" for i in range(40)])

    def no_x(data: anndata.AnnData) -> anndata.AnnData:
        return anndata.AnnData(None, data.obs, data.var, layers={"counts": COUNTS.T.to_numpy()})

    def absent(data: anndata.AnnData) -> None:
        data.obs = data.obs.drop(columns="tumor_type")

    yield Kind("h5ad, dense", _h5ad())
    yield Kind("h5ad, float32", set_x(np.float32))
    yield Kind("h5ad, csr", set_x(scipy.sparse.csr_matrix))
    yield Kind("h5ad, csc", set_x(scipy.sparse.csc_matrix))
    yield Kind("h5ad, counts csc", set_x(scipy.sparse.csc_matrix, COUNTS), COUNTED, log2=CPM)
    layer = ("input.layer=counts", *COUNTED)
    yield Kind("h5ad, a layer", _h5ad(), layer, log2=CPM)
    yield Kind(
        "h5ad, no such layer", _h5ad(), ("input.layer=tpm",), must=("tpm", "counts", "layer")
    )
    yield Kind("h5ad, raw", _h5ad(raw), ("input.layer=raw",))
    yield Kind(
        "h5ad, z-scores",
        _h5ad(raw),
        must=("negative|below 0|z-score", r"input\.layer = .raw|as_is"),
    )
    yield Kind("h5ad, no X", _h5ad(no_x), COUNTED, must=(r"input\.layer = .counts",))
    yield Kind("h5ad, columns of all kinds", _h5ad(columns))
    index = LOG2.set_axis(IDS, axis=1)
    yield Kind("h5ad, barcodes in a column", _h5ad(rows), log2=index)
    yield Kind("h5ad, symbols in a column", _h5ad(symbols), ("input.gene_column=symbol",))
    yield Kind("h5ad, transposed", _h5ad(lambda data: data.T.copy()))
    yield Kind("h5ad, no tumors", _h5ad(absent), must=("tumor", "column"))
    yield Kind("h5ad named h5", _h5ad(name="a.h5"))

    def with_table(folder: Path) -> list[str]:
        SAMPLES.to_csv(folder / "s.tsv", sep="\t", index=False)
        return [*_h5ad(absent)(folder), "input.samples=s.tsv"]

    yield Kind("h5ad and a table", with_table)


def columnar() -> Iterator[Kind]:
    genes, samples = LOG2.reset_index(names="gene"), LOG2.T.reset_index(names="sample")

    def fill(save: Callable[[Path], None]) -> Callable[[Path], list[str]]:
        def files(folder: Path) -> list[str]:
            save(folder / "m.bin")
            SAMPLES.to_csv(folder / "s.tsv", sep="\t", index=False)
            return ["input.expression=m.bin", "input.samples=s.tsv"]

        return files

    for name, of in {"genes": genes, "samples": samples}.items():
        yield Kind(f"Parquet, {name} in rows", fill(of.to_parquet))
        yield Kind(f"Feather, {name} in rows", fill(of.to_feather))
    yield Kind("Parquet with pandas' index", fill(LOG2.to_parquet))
    long = LOG2.reset_index(names="gene").melt("gene", var_name="sample", value_name="value")
    must = ("long form", "pivot")
    yield Kind("Parquet in long form", fill(long.to_parquet), must=must)
    yield Kind("text in long form", write(long.to_csv(sep="\t", index=False)), must=must)
    nameless = LOG2.reset_index(drop=True)
    yield Kind("Parquet without names of genes", fill(nameless.to_parquet), must=("index",))

    def parts(folder: Path) -> list[str]:
        (folder / "d").mkdir()
        (folder / "d" / "_SUCCESS").touch()
        LOG2.iloc[:, :10].to_parquet(folder / "d" / "part-0.parquet")
        LOG2.iloc[:, 10:].to_parquet(folder / "d" / "part-1.parquet")
        SAMPLES.to_csv(folder / "s.tsv", sep="\t", index=False)
        return ["input.expression=d", "input.samples=s.tsv"]

    yield Kind("a folder of Spark", parts)

    def zarr(folder: Path) -> list[str]:
        (folder / "a.zarr").mkdir()
        (folder / "a.zarr" / "zarr.json").write_text("{}")
        return ["input.expression=a.zarr"]

    yield Kind("a Zarr store", zarr, must=("Zarr", "h5ad"))
    yield Kind(
        "Parquet, float32",
        fill(lambda path: samples.astype(dict.fromkeys(SYMBOLS, "float32")).to_parquet(path)),
    )
    labelled = samples.assign(tumor_type=TUMOR)
    yield Kind("Parquet with tumors", fill(labelled.to_parquet), ("input.samples=",))
    numbers = genes.assign(length=range(1000, 1040))
    yield Kind("Parquet with a further column", fill(numbers.to_parquet))
    counted = COUNTS.reset_index(names="gene")
    yield Kind("Parquet of counts", fill(counted.to_parquet), COUNTED, log2=CPM)


def kinds() -> Iterator[Kind]:
    """All kinds of files."""
    for group in (joins, annotated, columnar):
        yield from group()
