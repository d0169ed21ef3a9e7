"""Files of one sample in every format: values against pandas, measures, names and faults."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from quantification_files import COUNTERS, genes, star_table, uuid, whole, write_star

from tumorcam.errors import InputError
from tumorcam.readers.quantifications import parallel
from tumorcam.readers.quantifications.file_list import resolve
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.settings import InputSettings

FORMATS = Path(__file__).parents[3].parent / "shared" / "data" / "formats"
real_formats = pytest.mark.skipif(not FORMATS.exists(), reason="needs the real files of formats/")


def read(paths, is_sample=lambda name: False, sheets=(), **settings):
    def read_one(path):
        raise AssertionError(f"{path} was taken for a matrix")

    settings = InputSettings(**settings)
    return read_files(paths, list(sheets), settings, is_sample, None, read_one)


def refusal(paths, **settings):
    with pytest.raises(InputError) as caught:
        read(paths, **settings)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def fact(matrix, topic):
    return next(fact for fact in matrix.facts if fact.topic == topic)


STAR = {
    "unstranded": "counts",
    "stranded_second": "counts",
    "tpm_unstranded": "tpm",
    "fpkm_unstranded": "fpkm",
    "fpkm_uq_unstranded": "fpkm",
}


@pytest.mark.parametrize("measure", STAR)
def test_star_counts_by_measure(tmp_path, measure):
    tables = [write_star(tmp_path / f"S{number}.tsv", number) for number in range(3)]
    paths = [tmp_path / f"S{number}.tsv" for number in range(3)]
    matrix = read(paths, measure=measure, scale=STAR[measure])
    assert matrix.samples == ["S0", "S1", "S2"]
    assert matrix.genes == [*COUNTERS, *genes()]
    values = whole(matrix).iloc[len(COUNTERS) :]
    expected = np.stack([table[measure] for table in tables], axis=1).astype(np.float32)
    np.testing.assert_array_equal(values, expected)
    annotation = matrix.annotation[len(COUNTERS) :]
    assert annotation["gene_name"].tolist() == tables[0]["gene_name"].tolist()
    assert set(annotation["gene_type"]) == {"protein_coding"}


@pytest.mark.parametrize(
    ("scale", "measure"),
    [("counts", "unstranded"), ("tpm", "tpm_unstranded"), ("fpkm", "fpkm_unstranded")],
)
def test_the_scale_chooses_the_measure(tmp_path, scale, measure):
    write_star(tmp_path / "a.tsv", 1)
    assert fact(read([tmp_path / "a.tsv"], scale=scale), "measure").text == measure


def test_a_scale_that_fits_no_measure_is_refused(tmp_path):
    write_star(tmp_path / "a.tsv", 1)
    message = refusal([tmp_path / "a.tsv"])
    assert 'input.scale = "counts" for unstranded' in message
    assert "input.measure" in refusal([tmp_path / "a.tsv"], scale="as_is")
    assert "input.measure" in refusal([tmp_path / "a.tsv"], measure="TPM", scale="tpm")
    message = refusal([tmp_path / "a.tsv"], measure="tpm_unstranded", scale="counts")
    assert 'set input.scale = "tpm"' in message
    assert read([tmp_path / "a.tsv"], measure="tpm_unstranded", scale="as_is").samples == ["a"]


def text_of(columns, header=True, comment=""):
    table = pd.DataFrame(columns)
    return comment + table.to_csv(sep="\t", index=False, header=header, lineterminator="\n")


IDS = [f"G{number}" for number in range(12)]
COUNTS = [number * number for number in range(12)]
VALUES = [number / 7 for number in range(12)]
RSEM = "length effective_length expected_count TPM FPKM"
FEATURES = "Geneid Chr Start End Strand Length"
CASES = {  # the file, its columns, is there a header, the scale, the column of the values
    "htseq": ("S.htseq.counts", "g count", False, "counts", "count"),
    "fpkm": ("S.FPKM.txt", "g n", False, "fpkm", "n"),
    "fpkm-uq": ("S.FPKM-UQ.txt", "g n", False, "fpkm", "n"),
    "values": ("S.txt", "g n", False, "log2", "n"),
    "tcga": (
        "S.rsem.genes.results",
        "gene_id raw_count scaled_estimate transcript_id",
        True,
        "counts",
        "raw_count",
    ),
    "tcga scaled": (
        "S.rsem.genes.results",
        "gene_id raw_count scaled_estimate transcript_id",
        True,
        "scaled_estimate",
        "scaled_estimate",
    ),
    "tcga normalized": (
        "S.rsem.genes.normalized_results",
        "gene_id normalized_count",
        True,
        "rsem",
        "normalized_count",
    ),
    "tcga isoforms": (
        "S.rsem.isoforms.results",
        "isoform_id raw_count scaled_estimate",
        True,
        "counts",
        "raw_count",
    ),
    "tcga normalized isoforms": (
        "S.rsem.isoforms.normalized_results",
        "isoform_id normalized_count",
        True,
        "rsem",
        "normalized_count",
    ),
    "rsem": (
        "S.genes.results",
        f"gene_id transcript_id(s) {RSEM}",
        True,
        "counts",
        "expected_count",
    ),
    "rsem isoforms": (
        "S.isoforms.results",
        f"transcript_id gene_id {RSEM} IsoPct",
        True,
        "tpm",
        "TPM",
    ),
    "salmon": ("S/quant.sf", "Name Length EffectiveLength TPM NumReads", True, "tpm", "TPM"),
    "kallisto": (
        "S/abundance.tsv",
        "target_id length eff_length est_counts tpm",
        True,
        "counts",
        "est_counts",
    ),
    "featureCounts": ("f.txt", f"{FEATURES} bam/S.bam", True, "counts", "bam/S.bam"),
}


def columns_of(case):
    """The columns of a file: IDs, then values, which are integers where they must be."""
    _, names, _, _, measure = CASES[case]
    first, *others = names.split()
    columns = {first: IDS} | {name: [f"9{number}" for number in COUNTS] for name in others}
    is_integer = case in ("htseq", "featureCounts")
    return columns | {measure: COUNTS if is_integer else VALUES}


TRANSCRIPTS = {"tcga isoforms", "tcga normalized isoforms", "rsem isoforms", "salmon", "kallisto"}


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("case", CASES)
def test_formats(tmp_path, case, newline, is_packed):
    name, _, has_header, scale, measure = CASES[case]
    columns = columns_of(case)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    text = text_of(columns, has_header).replace("\n", newline).encode()
    path.write_bytes(gzip.compress(text) if is_packed else text)
    matrix = read([path], scale=scale)
    assert matrix.samples == ["S"]
    assert matrix.genes == IDS
    np.testing.assert_array_equal(whole(matrix)["S"], np.float32(columns[measure]))
    assert any(fact.text.startswith("transcripts") for fact in matrix.facts) == (
        case in TRANSCRIPTS
    )


def test_salmon_genes_are_no_transcripts(tmp_path):
    (tmp_path / "S").mkdir()
    path = tmp_path / "S" / "quant.genes.sf"
    path.write_text(text_of(columns_of("salmon")))
    matrix = read([path], scale="tpm")
    assert matrix.samples == ["S"] and not [f for f in matrix.facts if f.topic == "genes"]


def test_reads_per_gene_of_star(tmp_path):
    text = "".join(f"{name}\t5\t6\t7\n" for name in [*COUNTERS[:4], *IDS])
    (tmp_path / "S1ReadsPerGene.out.tab").write_text(text)
    matrix = read([tmp_path / "S1ReadsPerGene.out.tab"], scale="counts", measure="stranded_second")
    assert matrix.samples == ["S1"] and matrix.genes == [*COUNTERS, *IDS]
    assert (whole(matrix) == 7).all(axis=None)


def test_feature_counts_of_several_samples(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    columns = {name: columns_of("featureCounts")[name] for name in FEATURES.split()}
    counts = {f"/data/S{n}Aligned.sortedByCoord.out.bam": rng.integers(0, 99, 12) for n in range(7)}
    path = tmp_path / "all.txt"
    path.write_text(text_of(columns | counts, comment="# Program:featureCounts v2.0.1\n"))
    monkeypatch.setattr(parallel, "BAND_VALUES", 3 * len(IDS))
    matrix = read([path], scale="counts")
    assert matrix.samples == [f"S{number}" for number in range(7)]
    np.testing.assert_array_equal(whole(matrix), np.stack(list(counts.values()), axis=1))
    assert matrix.labels["file"].tolist() == ["all.txt"] * 7


def write_two_columns(path, values, ids=IDS, header=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{name}\t{value}\n" for name, value in zip(ids, values, strict=True))
    path.write_text(header + rows)
    return path


def test_two_columns_with_a_header_name_the_sample_or_not(tmp_path):
    paths = [
        write_two_columns(tmp_path / f"f{n}.txt", COUNTS, header=f"gene\tTCGA-{n}\n") for n in "ab"
    ]
    assert read(paths, scale="counts").samples == ["TCGA-a", "TCGA-b"]
    paths = [write_two_columns(tmp_path / f"{n}.txt", COUNTS, header="gene\tn\n") for n in "ab"]
    assert read(paths, scale="counts").samples == ["a", "b"]


def test_names_of_samples(tmp_path):
    barcode = "TCGA-A1-A0SB-01A-11R-A144-07"
    names = [f"{barcode}.htseq.txt", "unc.123.counts.txt", "S_7.txt", "dup/x.txt", "dup2/x.txt"]
    paths = [write_two_columns(tmp_path / name, COUNTS) for name in names]
    matrix = read(paths, is_sample={barcode, "123", "7"}.__contains__, scale="counts")
    assert matrix.samples == [barcode, "123", "7", "dup", "dup2"]
    assert fact(matrix, "names of the samples").text == "5 samples"


def test_a_folder_for_each_tumor_is_a_label(tmp_path):
    for name in ("BRCA/a.txt", "BRCA/b.txt", "LUAD/c.txt", "LUAD/d.txt"):
        write_two_columns(tmp_path / name, COUNTS)
    matrix = read(resolve([str(tmp_path)], "input.expression"), scale="counts")
    assert matrix.labels["folder"].tolist() == ["BRCA", "BRCA", "LUAD", "LUAD"]
    assert matrix.labels["sample"].tolist() == matrix.samples == list("abcd")


def test_genes_in_another_order_are_aligned(tmp_path):
    ids = [*IDS[:10], "G0", "G0"]  # a gene that occurs three times
    first = write_two_columns(tmp_path / "a.txt", COUNTS, ids)
    order = np.random.default_rng(3).permutation(12)
    order = sorted(order, key=lambda row: (row in (0, 10, 11), row))
    values, others = [COUNTS[row] for row in order], [ids[row] for row in order]
    second = write_two_columns(tmp_path / "b.txt", values, others)
    matrix = read([first, second], scale="counts")
    np.testing.assert_array_equal(whole(matrix)["a"], whole(matrix)["b"])
    assert "1 of 2 files" in fact(matrix, "genes of the files").text and not matrix.dropped


def test_genes_that_not_all_files_have_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "BAND_VALUES", 24)
    lists = [IDS, IDS, [*IDS[:4], *IDS[5:]], ["NEW", *IDS], IDS]
    paths = [
        write_two_columns(tmp_path / f"{number}.txt", range(len(ids)), ids)
        for number, ids in enumerate(lists)
    ]
    matrix = read(paths, scale="counts")
    assert matrix.genes == [*IDS[:4], *IDS[5:]]
    assert {(drop.kind, drop.name) for drop in matrix.dropped} == {("gene", "G4"), ("gene", "NEW")}
    for number, ids in enumerate(lists):
        assert whole(matrix)[str(number)].tolist() == [ids.index(gene) for gene in matrix.genes]


def test_files_of_other_genes_are_refused(tmp_path):
    first = write_two_columns(tmp_path / "a.txt", COUNTS)
    second = write_two_columns(tmp_path / "b.txt", COUNTS, [f"H{n}" for n in range(12)])
    message = refusal([first, second], scale="counts")
    assert "G0" in message and "H0" in message and "b.txt" in message


@pytest.mark.parametrize("cut", [0, 1])
def test_a_file_that_is_cut_off_is_named(tmp_path, cut):
    for name in "ab":
        write_star(tmp_path / name, 1)
    path = tmp_path / "ab"[cut]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:20]))
    assert f"{path} is cut off" in refusal([tmp_path / "a", tmp_path / "b"], scale="counts")
    path.write_text("".join(lines)[:-30])
    assert f"{path} is cut off" in refusal([tmp_path / "a", tmp_path / "b"], scale="counts")


def test_a_damaged_packed_file_is_named(tmp_path):
    first = write_two_columns(tmp_path / "a.txt", COUNTS)
    second = tmp_path / "b.txt.gz"
    second.write_bytes(gzip.compress(first.read_bytes())[:-9])
    assert "b.txt.gz" in refusal([first, second], scale="counts")


def test_missing_values_are_nan_and_words_are_refused(tmp_path):
    cells = ["", "NA", "nan", "1e3", "-2.5", "inf", *VALUES[6:]]
    matrix = read([write_two_columns(tmp_path / "a.txt", cells)])
    expected = [np.nan, np.nan, np.nan, 1e3, -2.5, np.inf, *VALUES[6:]]
    np.testing.assert_array_equal(whole(matrix)["a"], np.float32(expected))
    path = write_star_with(tmp_path / "b.tsv", "4x")
    assert "line 40" in (message := refusal([path], scale="counts")) and "'4x'" in message
    assert "ENSG" in message


def write_star_with(path, cell):
    """A STAR file whose value in line 40, after the first kilobytes, is another text."""
    write_star(path, 1, genes(60))
    lines = path.read_text().splitlines(keepends=True)
    cells = lines[39].split("\t")
    lines[39] = "\t".join([*cells[:3], cell, *cells[4:]])
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"\xff\xfe", "is no UTF-8 text"), (b"a\tb\tc\t4\t", "line 21 has 13 cells")],
)
def test_rows_that_are_no_table_are_refused(tmp_path, content, fault):
    path = tmp_path / "a.tsv"
    write_star(path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:20], content + lines[20], *lines[21:]]))
    assert f"a.tsv {fault}" in refusal([path], scale="counts")


def test_empty_lines_and_a_missing_last_newline_do_not_matter(tmp_path):
    path = tmp_path / "a.tsv"
    table = write_star(path, 1)
    path.write_text(path.read_text().replace("\nENSG", "\n\nENSG", 1).rstrip("\n"))
    matrix = read([path], scale="counts")
    assert len(matrix.genes) == len(table) + 4 == len(matrix.annotation)


def test_files_of_several_formats_are_refused_with_a_pattern(tmp_path):
    for number in range(3):
        write_star(tmp_path / "d" / uuid(number) / f"{number}.star.tsv", number)
    write_two_columns(tmp_path / "d" / "x" / "1.htseq.counts", COUNTS)
    paths = resolve([str(tmp_path / "d")], "input.expression")
    message = refusal(paths, scale="counts")
    assert "GDC STAR counts (3 of 4" in message
    pattern = message.split('"')[-2]
    matrix = read(resolve([pattern], "input.expression"), scale="counts")
    assert matrix.samples == ["0", "1", "2"]


def test_progress_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "BAND_VALUES", 4 * 34)
    paths = [tmp_path / f"{number}.tsv" for number in range(10)]
    for number, path in enumerate(paths):
        write_star(path, number)
    calls = []
    settings = InputSettings(scale="counts")
    matrix = read_files(
        paths, [], settings, lambda name: False, None, None, lambda *n: calls.append(n)
    )
    assert calls == [(number + 1, 10) for number in range(10)]
    for number in range(10):
        expected = star_table(number)["unstranded"].tolist()
        assert whole(matrix)[str(number)].tolist()[4:] == expected


@real_formats
@pytest.mark.parametrize(
    ("pattern", "scale", "column", "skipped"),
    [
        ("*.htseq.counts.gz", "counts", 1, None),
        ("*.rsem.genes.normalized_results.gz", "rsem", 1, 0),
        ("*.rsem.genes.results.gz", "counts", 1, 0),
        ("*.rsem.genes.results.gz", "scaled_estimate", 2, 0),
        ("gdc_augmented_star_gene_counts.head.tsv", "tpm", 6, 1),
        ("gdc_augmented_star_gene_counts.head.tsv", "counts", 3, 1),
    ],
)
def test_real_files(pattern, scale, column, skipped):
    path = next(FORMATS.glob(pattern))
    matrix = read([path], scale=scale)
    table = pd.read_csv(path, sep="\t", header=skipped, keep_default_na=False, dtype=str)
    assert matrix.genes == table.iloc[:, 0].tolist()
    expected = pd.to_numeric(table.iloc[:, column]).to_numpy(np.float32)
    np.testing.assert_array_equal(whole(matrix).iloc[:, 0], expected)
