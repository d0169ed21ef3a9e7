import types
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tumorcam.cohort.cohort import ENTRAPPED, read_cohort
from tumorcam.cohort.lookup import find_gene, find_sample, find_tumor
from tumorcam.errors import ConfigError

SAMPLES = ["TCGA-A7-A0CE-01A-11R-A00Z-07", "TCGA-A7-A0CG-01A", "TCGA-A7-A0CG-01B", "s1", "s10"]
GENES = [
    "TP53|7157", "KRAS|3845", "SLC35E2|728661", "SLC35E2|9906", "TP53BP1", "EGFR (1956)",
    "ENSG00000141510.18", "GATA3 (permuted)", "abc", "ABC", "SNORD|", "HLA-A",
]  # fmt: skip


def cohort_of(samples=SAMPLES, tumors=("BRCA", "Ovary", "READ"), genes=GENES, dropped=()):
    table = pd.DataFrame(list(dropped), columns=["kind", "name", "reason"])
    names = (np.array(words) for words in (samples, tumors, genes))
    sample, tumor, gene = names
    return types.SimpleNamespace(
        path="cohort.h5", sample=sample, tumors=tumor, genes=gene, dropped=table
    )


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("TCGA-A7-A0CE-01A-11R-A00Z-07", 0),
        ("tcga-a7-a0ce-01a-11r-a00z-07", 0),
        ("TCGA-A7-A0CE-01", 0),
        ("tcga-a7-a0ce", 0),
        ("TCGA-A7-A0CG-01b", 2),
        ("s1", 3),
        ("S1", 3),
        ("s10", 4),
    ],
)
def test_a_sample_has_its_id_in_any_case_or_the_start_of_it(text, index):
    assert find_sample(cohort_of(), text) == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TCGA-A7-A0CG", r"'TCGA-A7-A0CG' fits 2 samples of cohort.h5: .*-01A, .*-01B; wanted"),
        ("", "no sample '' among its 5"),
        ("A0CE", "no sample 'A0CE' among its 5; such as TCGA-A7-A0CE-01A-11R-A00Z-07"),
        ("tcga-a7-a0cx-01a", "did you mean TCGA-A7-A0CG-01"),
    ],
)
def test_other_samples_are_refused_with_those_that_fit_or_are_alike(text, message):
    with pytest.raises(ConfigError, match=message):
        find_sample(cohort_of(), text)


def test_ids_that_differ_in_case_alone_are_told_apart_only_as_they_stand():
    cohort = cohort_of(samples=["a", "A"])
    assert (find_sample(cohort, "a"), find_sample(cohort, "A")) == (0, 1)
    with pytest.raises(ConfigError, match=r"fits 2 samples of .*: ab, aB"):
        find_sample(cohort_of(samples=["ab", "aB"]), "AB")


def test_a_tumor_has_its_name_in_any_case_and_never_a_part_of_it():
    assert [find_tumor(cohort_of(), text) for text in ("brca", "OVARY", "READ")] == [0, 1, 2]
    for text in ("BRC", "", "KICH"):
        with pytest.raises(ConfigError, match="it has BRCA, Ovary, READ"):
            find_tumor(cohort_of(), text)


@pytest.mark.parametrize(
    ("text", "gene"),
    [
        ("TP53|7157", "TP53|7157"),
        ("tp53", "TP53|7157"),
        ("7157", "TP53|7157"),
        ("slc35e2|9906", "SLC35E2|9906"),
        ("9906", "SLC35E2|9906"),
        ("tp53bp1", "TP53BP1"),
        ("egfr", "EGFR (1956)"),
        ("1956", "EGFR (1956)"),
        ("ENSG00000141510", "ENSG00000141510.18"),
        ("ensg00000141510.3", "ENSG00000141510.18"),
        ("gata3", "GATA3 (permuted)"),
        ("GATA3 (permuted)", "GATA3 (permuted)"),
        ("abc", "abc"),
        ("ABC", "ABC"),
        ("hla-a", "HLA-A"),
        ("snord", "SNORD|"),
    ],
)
def test_a_gene_has_its_name_in_any_case_without_version_or_a_part_of_it(text, gene):
    assert GENES[find_gene(cohort_of(), text)] == gene


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SLC35E2", r"fits 2 genes of cohort.h5: SLC35E2\|728661, SLC35E2\|9906"),
        ("Abc", "fits 2 genes of cohort.h5: abc, ABC"),
        ("HLA-B", "no gene 'HLA-B' among its 12; did you mean HLA-A"),
        ("zzz", r"such as TP53\|7157"),
        ("", "no gene ''"),
        (ENTRAPPED, "no gene"),
    ],
)
def test_other_genes_are_refused_with_those_that_fit_or_are_alike(text, message):
    with pytest.raises(ConfigError, match=message):
        find_gene(cohort_of(), text)


def test_a_gene_that_prepare_left_out_is_refused_with_its_reason():
    dropped = [("gene", "MYC", "has bad values"), ("sample", "BAD", "repeated")]
    with pytest.raises(ConfigError, match=r"no gene 'myc' .*; prepare left it out: has bad"):
        find_gene(cohort_of(dropped=dropped), "myc")
    with pytest.raises(ConfigError, match="such as"):
        find_gene(cohort_of(dropped=dropped), "BAD")


def test_a_prepared_cohort_is_searched(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    assert cohort.genes[find_gene(cohort, "gene07")] == "GENE07"
    assert cohort.tumors[find_tumor(cohort, "coad")] == "COAD"
    entrapped = replace(cohort, genes=np.char.add(cohort.genes, ENTRAPPED))
    assert find_gene(entrapped, "GENE07") == find_gene(cohort, "GENE07")
