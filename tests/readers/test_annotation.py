"""Annotation tables: which column and row a gene's place comes from, and what is refused."""

import dataclasses
import gzip
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_toml
from hypothesis import given
from hypothesis import strategies as st

from jobs import prepare
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.layout import beside_own_gene
from tumorcam.errors import InputError
from tumorcam.readers import annotation
from tumorcam.settings import LayoutSettings
from tumorcam.settings.config import load_config
from tumorcam.storage.run_folder import RunFolder

REAL = Path(__file__).parents[3] / "shared" / "data"
GRCH38 = REAL / "gene_annotation_ensembl_grch38.tsv.gz"
HEADER = "symbol\tensgene\tentrez\tchr\tstart\tbiotype"
ROWS = """\
TP53	ENSG00000141510	7157	17	7661779	protein_coding
XIST	ENSG00000229807	7503	X	73820651	lncRNA
MT-CO1	ENSG00000198804	4512	MT	5904	protein_coding
EGFR	ENSG00000146648	1956	7	55019017	protein_coding
BRCA1	ENSG00000012048	672	17	43044295	protein_coding
SRY	ENSG00000184895	6736	Y	2786855	protein_coding
ERBB2	ENSG00000141736	2064	17	39688094	protein_coding
KRAS	ENSG00000133703	3845	12	25205246	protein_coding
NRAS	ENSG00000213281	4893	1	114704469	protein_coding"""
IN_ORDER = "NRAS EGFR KRAS TP53 ERBB2 BRCA1 XIST SRY MT-CO1".split()


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    return write(tmp_path / "genes.tsv", ROWS)


def ordered(path: Path, genes: list[str]) -> list[str]:
    """The genes, sorted by name as a cohort has them, in the order of the chromosomes."""
    names = np.array(sorted(genes))
    order = annotation.chromosome_order(path, names)
    assert sorted(order.tolist()) == list(range(len(names)))
    return names[order].tolist()


def ids_of(column: int) -> list[str]:
    """One column of ROWS in the order of the chromosomes."""
    by_symbol = {row.split("\t")[0]: row.split("\t")[column] for row in ROWS.splitlines()}
    return [by_symbol[symbol] for symbol in IN_ORDER]


def test_chromosomes_in_natural_order_and_starts_as_numbers(table):
    """7,661,779 on 17 comes before 39,688,094; 7 before 12; MT last."""
    assert ordered(table, IN_ORDER) == IN_ORDER


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_column_that_matches_is_read(table, column):
    assert ordered(table, ids_of(column)) == ids_of(column)


def test_versions_of_ensembl_ids_are_left_out_on_either_side(table, tmp_path):
    versions = [f"{name}.{i}" for i, name in enumerate(ids_of(1), start=9)]
    assert ordered(table, versions) == versions
    versioned = pd.read_csv(table, sep="\t", dtype=str)
    versioned["ensgene"] += ".12_PAR_Y"
    versioned.to_csv(tmp_path / "versioned.tsv", sep="\t", index=False)
    in_y = [f"{name}.3_PAR_Y" for name in ids_of(1)]
    assert ordered(tmp_path / "versioned.tsv", in_y) == in_y


def test_a_symbol_keeps_what_looks_like_a_version(tmp_path):
    path = write(tmp_path / "t.tsv", "RP11-1.1\t2\t5", "RP11-1.2\t1\t5", header="gene\tchr\tstart")
    assert ordered(path, ["RP11-1.1", "RP11-1.2"]) == ["RP11-1.2", "RP11-1.1"]


@pytest.mark.parametrize("kept", ["symbol", "entrez"])
def test_symbol_and_entrez_with_a_bar(table, tmp_path, kept):
    only = pd.read_csv(table, sep="\t", dtype=str)[[kept, "chr", "start"]]
    only.to_csv(tmp_path / "only.tsv", sep="\t", index=False)
    barred = ["|".join(pair) for pair in zip(ids_of(0), ids_of(2), strict=True)]
    assert ordered(tmp_path / "only.tsv", barred) == barred
    barred[0] = "?|" + ids_of(2)[0]  # as in TCGA's RSEM files
    assert ordered(table, barred) == barred


def test_numbers_that_a_spreadsheet_made_of_entrez_ids(tmp_path):
    path = write(tmp_path / "t.csv", "7157.0,17,9.0", "672.0,17,1e1", header="entrez,chr,start")
    assert ordered(path, ["672", "7157"]) == ["7157", "672"]


@pytest.mark.parametrize(
    "header",
    [
        "symbol\tchr\tstart",
        "Gene Symbol\tChromosome\tGene_Start",
        "hgnc_symbol\tchromosome_name\tstart_position",
        "name\t#chrom\ttxStart",
        "gene_name\tseqname\tstart",
        "Gene name\tChromosome/scaffold name\tGene start (bp)",
        '"gene"\t"chrom"\t"chromStart"',
        "row\tsymbol\tchr\tstart",
    ],
)
@pytest.mark.parametrize("prefix", ["", "chr", "Chr"])
@pytest.mark.parametrize("separator", ["\t", ","])
def test_names_of_columns_and_chromosomes(tmp_path, header, prefix, separator):
    places = zip(IN_ORDER, ids_of(3), ids_of(4), strict=True)
    rows = [f"{symbol}\t{prefix}{name}\t{start}" for symbol, name, start in places]
    if header.startswith("row"):
        rows = [f"{i}\t{row}" for i, row in enumerate(rows)]
    text = "\n".join([header, *reversed(rows)]).replace("\t", separator)
    plain, packed = tmp_path / "table.txt", tmp_path / "table.txt.gz"
    plain.write_text("\ufeff" + text.replace("MT\t", "M\t"), encoding="utf-8")
    packed.write_bytes(gzip.compress(text.encode()))
    assert ordered(plain, IN_ORDER) == ordered(packed, IN_ORDER) == IN_ORDER


def test_r_leaves_the_corner_out(table, tmp_path):
    rows = [f'"{i}"\t{row}' for i, row in enumerate(ROWS.splitlines(), start=1)]
    assert ordered(write(tmp_path / "r.tsv", *rows), IN_ORDER) == IN_ORDER


def test_of_several_rows_the_first_on_a_primary_chromosome_counts(tmp_path):
    rows = [
        "A\t\t\tCHR_HSCHR1_1_CTG3\t1\t",
        "A\t\t\t3\tNA\t",  # no start: no place
        "A\t\t\t2\t70\t",
        "A\t\t\t1\t10\t",
        "B\t\t\tGL000195.1\t90\t",
        "B\t\t\tGL000009.2\t10\t",
        "C\t\t\t2\t60\t",
    ]
    genes = np.array(["A", "B", "C"])
    places = annotation.gene_places(write(tmp_path / "t.tsv", *rows), genes)
    assert places["chromosome"].tolist() == ["2", "GL000195.1", "2"]
    assert places["start"].tolist() == [70, 90, 60]


def test_scaffolds_follow_by_name_then_genes_without_a_place_by_name(table, caplog):
    with table.open("a") as file:
        file.write("S2\t\t\tKI270728.1\t5\t\nS3\t\t\tKI270728.1\t4\t\nS1\t\t\tGL000194.1\t9\t\n")
        file.write("NOWHERE\t\t\t\t12\t\n")
    genes = ["ZZZ", "NOWHERE", "AAA", "S1", "S2", "S3", *IN_ORDER]
    with caplog.at_level(logging.INFO, "tumorcam"):
        assert ordered(table, genes) == [*IN_ORDER, "S1", "S3", "S2", "AAA", "NOWHERE", "ZZZ"]
    assert "genes.tsv: column 'symbol' has 12 of 15 genes; 3 without a place come" in caplog.text


def test_equal_starts_go_by_name(tmp_path):
    rows = [f"{name}\t\t\t1\t7\t" for name in "DBCA"]
    assert ordered(write(tmp_path / "t.tsv", *rows), [*"ABCD"]) == [*"ABCD"]


@given(seed=st.integers(0, 99), n_unknown=st.integers(0, 20))
def test_against_plain_sorting(tmp_path_factory, seed, n_unknown):
    rng = np.random.default_rng(seed)
    chromosomes = rng.choice([*annotation.PRIMARY, "KI270728.1"], 20)
    places = {f"G{i:02d}": (c, rng.integers(1, 9)) for i, c in enumerate(chromosomes)}
    rows = [f"{gene}\t\t\t{c}\t{start}\t" for gene, (c, start) in places.items()]
    rng.shuffle(rows)
    path = write(tmp_path_factory.mktemp("table") / "t.tsv", *rows)

    def key(gene):
        if gene not in places:
            return (99, 0, gene)
        chromosome, start = places[gene]
        return ([*annotation.PRIMARY, "KI270728.1"].index(chromosome), start, gene)

    genes = [*places, *(f"F{i:02d}" for i in range(n_unknown))]
    assert ordered(path, genes) == sorted(genes, key=key)


UNREADABLE = {
    "empty": (b"", r"table\.tsv is empty; check layout\.annotation"),
    "no text": (b"symbol\tchr\tstart\nTP53\t17\t\xff\xfe\n", r"table\.tsv is no UTF-8 text"),
    "cut off": (
        gzip.compress(f"{HEADER}\n{ROWS}\n".encode())[:-9],
        r"table\.gz is damaged: its packed stream is cut off .*see layout\.annotation",
    ),
    "ragged": (
        b"symbol\tchr\tstart\nTP53\t17\t1\nA\t1\t2\t3\t4\t5\n",
        r"table\.tsv line 3 has 6 cells; wanted 3 as in the header; .* write the file again$",
    ),
    "no rows": (b"symbol\tchr\tstart\n", r"table\.tsv has a header but no rows"),
    "two cells too many": (
        b"symbol\tchr\tstart\nTP53\t17\t1\t2\t3\n",
        r"the header .* has 3 cells, but most rows .* have 5; .*: correct the header$",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_table_is_one_clear_message(tmp_path, name):
    path = tmp_path / ("table.gz" if name == "cut off" else "table.tsv")
    path.write_bytes(UNREADABLE[name][0])
    with pytest.raises(InputError, match=UNREADABLE[name][1]):
        annotation.chromosome_order(path, np.array(["TP53"]))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "symbol\tband\tstart",
            r"t\.tsv has no column .* the chromosome; its columns are 'symb",
        ),
        (
            "symbol\tchr\tend",
            "the start; its columns are .*'end'; rename one to 'start', or set",
        ),
        ("probe\tchr\tstart", "the gene ID; .* set layout.annotation to another table"),
        ("symbol|chr|start", r"lines into no two or more cells .*'symbol\|chr\|start'.*TSV or CSV"),
    ],
)
def test_a_missing_column_is_named(tmp_path, header, message):
    row = "TP53|17|1" if "|" in header else "TP53\t17\t1"
    path = write(tmp_path / "t.tsv", row, header=header)
    with pytest.raises(InputError, match=message):
        annotation.chromosome_order(path, np.array(["TP53"]))


def test_fewer_than_half_of_the_genes_are_refused(table, tmp_path):
    half = np.array(["Brca2", "Trp53", "EGFR", "TP53"])
    assert annotation.gene_places(table, half)["start"].notna().sum() == 2
    message = r"for 1 of the cohort's 3 genes \(Brca2, Trp53, EGFR\); wanted at least half"
    with pytest.raises(InputError, match=message):
        annotation.gene_places(table, half[:3])
    with pytest.raises(InputError, match="for 0 of the cohort's 4 genes"):
        annotation.gene_places(write(tmp_path / "other.tsv", "A" + "\t1" * 5), half)


def test_which_file_a_layout_needs(table):
    assert annotation.annotation_files(LayoutSettings(annotation=str(table))) == []
    by_chromosome = LayoutSettings(kind="chromosome", annotation=str(table))
    assert annotation.annotation_files(by_chromosome) == [table]


@pytest.fixture
def chromosome_toml(tiny_config, tiny_cohort, tmp_path) -> str:
    """The tiny run by chromosome: GENE00 to GENE29 backwards on chromosome 3, the rest unknown."""
    rows = [f"{gene}\t\t\tchr3\t{1000 - i}\t" for i, gene in enumerate(tiny_cohort.genes[:30])]
    path = write(tmp_path / "genes.tsv", *rows)
    layout = dataclasses.replace(tiny_config.layout, kind="chromosome", annotation=str(path))
    config = dataclasses.replace(tiny_config, layout=layout)
    return write_toml(config, tmp_path / "chromosome.toml")


def read(toml: str) -> Cohort:
    config = load_config(Path(toml))
    return read_cohort(RunFolder.of(config).cohort, config)


def test_prepare_lays_a_cohort_out_by_chromosome(chromosome_toml, capsys):
    assert prepare.main([chromosome_toml, "--dry-run"]) == 0
    assert prepare.main([chromosome_toml]) == 0
    assert "has 30 of 36 genes; 6 without a place come last" in capsys.readouterr().err
    layouts = read(chromosome_toml).layouts
    for layout in layouts:
        assert np.argsort(layout.pixel[:36]).tolist() == [*range(29, -1, -1), *range(30, 36)]
        assert np.array_equal(np.sort(layout.pixel), np.arange(36 + 18)), "row by row, no gaps"
        assert not beside_own_gene(layout).any()
    assert len({layout.pixel.tobytes() for layout in layouts}) == 4, "decoys stand elsewhere"


def test_another_annotation_is_prepared_anew(chromosome_toml, tmp_path, capsys):
    assert prepare.main([chromosome_toml]) == 0
    before = read(chromosome_toml)
    assert prepare.main([chromosome_toml]) == 0
    assert "cohort.h5 is there and complete" in capsys.readouterr().err
    table = tmp_path / "genes.tsv"
    table.write_text(table.read_text().replace("GENE07\t\t\tchr3", "GENE07\t\t\tchr2"))
    assert prepare.main([chromosome_toml]) == 0
    assert "is there and complete" not in capsys.readouterr().err
    after = read(chromosome_toml)
    assert after.digest != before.digest
    assert after.layouts[0].pixel[:36].argmin() == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layout.annotation=", 'layout.annotation is empty; layout.kind = "chromosome" wants'),
        ("layout.annotation=none.tsv", "none.tsv is no file"),
        ("layout.annotation=.", ". is no file (Is a directory); wanted a regular file"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_prepare_without_the_table_is_one_clear_message(
    chromosome_toml, capsys, override, message, dry
):
    assert prepare.main([chromosome_toml, "--set", override, *dry]) == 1
    printed = capsys.readouterr().err
    assert message in printed and "Traceback" not in printed


@pytest.mark.real_data
@pytest.mark.skipif(not GRCH38.exists(), reason=f"the real data are not there: {REAL}")
def test_the_genes_of_19_types_are_on_the_map():
    expression = pd.read_csv(REAL / "tcga_19types_log2rsem.tsv.gz", sep="\t", usecols=["sample"])
    genes = np.unique(expression["sample"].to_numpy(str))
    places = annotation.gene_places(GRCH38, genes)
    assert places["start"].notna().mean() > 0.9
    order = annotation.chromosome_order(GRCH38, genes)
    on_17 = [gene for gene in genes[order] if gene in ("TP53", "ERBB2", "BRCA1")]
    assert on_17 == ["TP53", "ERBB2", "BRCA1"]
    rank = places["chromosome"].map(annotation.PRIMARY).to_numpy()[order]
    assert np.all(np.diff(rank[~np.isnan(rank)]) >= 0)
    assert np.isnan(rank[-places["start"].isna().sum() :]).all()
