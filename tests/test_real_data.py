"""Real TCGA files as their portals ship them, where they lie beside the project."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tumorcam.cohort import selection
from tumorcam.cohort.summary import confounded_tumors
from tumorcam.readers import markers
from tumorcam.readers.binary.h5ad import read_h5ad
from tumorcam.readers.inputs import open_inputs
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.readers.samples_table.joining import SampleNames
from tumorcam.readers.samples_table.tidy import tidy
from tumorcam.readers.tables.expression import read_text_matrix
from tumorcam.readers.tables.frames import read_frame
from tumorcam.settings import FaithfulnessSettings, InputSettings
from tumorcam.settings.config import config_from_tables

DATA = Path(__file__).parents[2] / "shared" / "data"
FORMATS = DATA / "formats"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.exists(), reason=f"the real data are not there: {DATA}"),
]


IS_BARCODE = SampleNames([]).is_sample
N_CELLS = 1000  # at random, of each format


def select(n_genes, cohort=(), **inputs):
    tables = {"input": inputs, "cohort": {"genes": n_genes} | dict(cohort)}
    config = config_from_tables(tables, source="test")
    return selection.select(config, open_inputs(config.input))


def values_of(matrix: Matrix) -> np.ndarray:
    """(genes, samples)."""
    return matrix.values.block(slice(0, len(matrix.genes)))


def read(name: str, is_sample=IS_BARCODE, **settings) -> Matrix:
    """The matrix of a file of FORMATS, whose samples have barcodes."""
    chosen = InputSettings(**settings)

    def read_one(path):
        return read_text_matrix(path, chosen, is_sample, None)

    return read_files([FORMATS / name], [], chosen, is_sample, None, read_one)


def check_cells(matrix: Matrix, expected: pd.DataFrame) -> None:
    """The names, and N_CELLS random values, are those of pandas' (genes, samples) table."""
    assert matrix.genes == expected.index.tolist()
    assert matrix.samples == expected.columns.tolist()
    rng = np.random.default_rng(5)
    rows, columns = (rng.integers(0, n, N_CELLS) for n in expected.shape)
    values = expected.to_numpy()[rows, columns].astype(np.float32)
    np.testing.assert_array_equal(values_of(matrix)[rows, columns], values)


def test_19_types_as_xena_ships_them():
    kept = select(
        100,
        expression=str(DATA / "tcga_19types_log2rsem.tsv.gz"),
        samples=str(DATA / "tcga_19types_samples.tsv"),
    )
    assert kept.expression.shape == (100, 1059)
    assert kept.samples["tumor"].value_counts()["BRCA"] == 133
    assert kept.samples["tumor"].nunique() == 19
    assert set(kept.samples["sample_type"]) == {"01"}
    assert len(kept.dropped) == 0
    tumors, sources = (kept.samples[name].to_numpy(str) for name in ("tumor", "source"))
    assert len(confounded_tumors(tumors, sources)) == 12
    albumin = kept.expression.rows(np.flatnonzero(kept.genes == "ALB"))[0]
    assert albumin[tumors == "LIHC"].mean() > albumin[tumors != "LIHC"].mean() + 5


def test_15_types_by_symbol_with_repeats():
    path = str(DATA / "tcga_15types_fullgenes_log2rsem.h5ad")
    kept = select(
        64, {"duplicates": "drop", "sample_types": []}, expression=path, gene_column="symbol"
    )
    assert kept.expression.shape == (64, 484)
    assert kept.samples["tumor"].nunique() == 15
    assert kept.dropped["kind"].value_counts().to_dict() == {"gene": 16, "sample": 13}
    assert kept.counts.set_index(["tumor", "sample_type"])["n_kept"]["CHOL"].tolist() == [36, 0]
    names = read_h5ad(Path(path), InputSettings(), None).genes
    assert len(set(names)) == 20531
    assert names[:3] == ["1", "2", "9"]


def test_6_types_of_raw_counts():
    kept = select(64, expression=str(DATA / "tcga_6types_raw_counts.h5ad"), scale="counts")
    assert kept.expression.shape == (64, 364)
    assert kept.samples["tumor"].nunique() == 6
    assert all(gene.startswith("ENSG") for gene in kept.genes)
    values = kept.expression.block(slice(0, 64))
    assert 0 <= values.min() < values.max() < np.log2(1e6 + 1)


def test_labels_of_the_pan_cancer_atlas():
    path = DATA / "tcga_pancanatlas_sample_labels.tsv.gz"
    table = read_frame(path).table
    labels = tidy(table, table["sample_id"].tolist(), InputSettings(), path).table
    assert len(labels) == 11060
    assert labels["tumor"].nunique() == 33
    assert labels["patient"][0] == "TCGA-02-0047"
    assert (labels["sample_type"] == labels["sample"].str[13:15]).all()


def test_cbioportal_table_with_a_label_row():
    name = "cbioportal_rsem_genes_by_samples_LUAD.head.csv"
    matrix = read(name)
    assert [drop.name for drop in matrix.dropped] == ["line 2"]
    table = pd.read_csv(FORMATS / name, skiprows=[1], dtype={"Entrez_Gene_Id": str})
    ids = table["Entrez_Gene_Id"].str.removesuffix(".0")  # pandas wrote them
    check_cells(matrix, table.set_index(ids).iloc[:, 1:])


@pytest.mark.parametrize("column", [0, 1])
def test_two_gene_columns_and_crlf(column):
    """IDs of CPTAC are no barcodes: a samples table names them."""
    name = "tulip_fpkm_uq_genes_by_samples.csv.gz"
    table = pd.read_csv(FORMATS / name)
    is_sample = set(table.columns[2:]).__contains__
    matrix = read(name, is_sample, gene_column=table.columns[column])
    assert len(matrix.samples) == 3
    check_cells(matrix, table.iloc[:, 2:].set_axis(table.iloc[:, column]))


def test_samples_in_rows_with_an_empty_corner():
    name = "seed_tumor_data_zscore.csv.gz"
    check_cells(read(name), pd.read_csv(FORMATS / name, index_col=0).T)


@pytest.mark.parametrize("measure", ["read_count", "reads_per_million_miRNA_mapped"])
def test_firehose_with_several_measures_of_each_sample(measure):
    name = "firehose_KIRC-FFPE_two_header_rows_miRNA.expr.txt"
    matrix = read(name, measure=measure, scale="counts" if measure == "read_count" else "tpm")
    table = pd.read_csv(FORMATS / name, sep="\t", header=[0, 1], index_col=0)
    check_cells(matrix, table.xs(measure, axis=1, level=1))


STAR = "gdc_augmented_star_gene_counts.head.tsv"
HTSEQ = "dfe06359-c16a-4959-bb04-298f18474a17.htseq.counts.gz"
RSEM = "unc.edu.0b0bbc77-a9f3-4298-ba21-587d10209b0b.1864969.rsem.genes.results.gz"
NORMALIZED = "unc.edu.0b0bbc77-a9f3-4298-ba21-587d10209b0b.1864987.rsem.genes.normalized_results.gz"


@pytest.mark.parametrize(
    ("name", "scale", "column"),
    [
        (STAR, "counts", "unstranded"),
        (STAR, "tpm", "tpm_unstranded"),
        (HTSEQ, "counts", 1),
        (RSEM, "counts", "raw_count"),
        (RSEM, "scaled_estimate", "scaled_estimate"),
        (NORMALIZED, "rsem", "normalized_count"),
    ],
)
def test_files_of_one_sample(name, scale, column):
    """What counts reads of no gene may stay, under its own name, for the cohort to drop."""
    table = pd.read_csv(
        FORMATS / name, sep="\t", comment="#", index_col=0, header=None if column == 1 else "infer"
    )[column]
    matrix = read(name, scale=scale)
    [sample] = matrix.samples
    if len(matrix.genes) < len(table):
        table = table[~table.index.str.match("N_|__")]
    check_cells(matrix, table.to_frame(sample).fillna(np.nan))


@pytest.mark.parametrize(
    "path", sorted(path.name for path in FORMATS.iterdir()) if FORMATS.exists() else []
)
def test_each_table_cell_by_cell(path):
    """As the csv module splits it, where each row has a cell for each column."""
    if path == HTSEQ:
        pytest.skip("it has no header")
    delimiter = "," if ".csv" in path else "\t"
    opened = gzip.open if path.endswith(".gz") else open
    with opened(FORMATS / path, "rt", encoding="utf-8", newline=None) as stream:
        texts = pd.read_csv(
            stream, sep=delimiter, dtype=str, keep_default_na=False,
            comment="#" if path == STAR else None,
        )  # fmt: skip
    table = read_frame(FORMATS / path).table
    n = len(texts) - len(table)  # rows of labels below the header
    assert 0 <= n <= 1 and table.shape[1] == texts.shape[1]
    stripped = texts.iloc[n:].map(str.strip).to_numpy()
    np.testing.assert_array_equal(table.to_numpy(str), stripped.astype(str))


def test_xena_phenotypes():
    path = FORMATS / "xena_KIRC_clinicalMatrix.gz"
    named = InputSettings(tumor_column="_primary_disease")
    rows = tidy(read_frame(path).table, ["TCGA-3Z-A93Z-01"], named, path).table
    assert rows.iloc[0].tolist() == [
        "TCGA-3Z-A93Z-01", "TCGA-3Z-A93Z", "KIRC", "01", "",
    ]  # fmt: skip


def test_tissue_specific_genes_of_the_human_protein_atlas():
    """A cell of `tcga_hint` may name several tumors; no column is configured."""
    tumors = np.array(["BLCA", "COAD", "LIHC", "READ", "UVM"])
    genes = np.array(["ALB", "APOA1|335", "CDH17", "UPK2", "ENSG00000163347.6", "ACTB"])
    path = DATA / "markers" / "hpa_tissue_specific_genes.tsv"
    is_marker = markers.read_markers(FaithfulnessSettings(markers=str(path)), tumors, genes)
    assert {(str(tumors[t]), str(genes[g])) for t, g in np.argwhere(is_marker)} >= {
        ("LIHC", "ALB"), ("LIHC", "APOA1|335"), ("COAD", "CDH17"), ("READ", "CDH17"),
        ("BLCA", "UPK2"),
    }  # fmt: skip
    assert not is_marker[4].any() and not is_marker[:, 5].any()
