"""Rows that are no genes, by their names."""

import pytest

from tumorcam.readers.genes.counters import find_counters, is_spike_in

NO_GENE = "counts reads that belong to no gene"
TOTAL = "is a total, no gene"


@pytest.mark.parametrize(
    "name, reason",
    [
        *((f"N_{what}", NO_GENE) for what in "unmapped multimapping noFeature ambiguous".split()),
        *((f"__{what}", NO_GENE) for what in "no_feature too_low_aQual not_aligned".split()),
        ("alignment_not_unique", NO_GENE),
        ("Unassigned_MultiMapping", NO_GENE),
        ("Total", TOTAL),
        ("total counts", TOTAL),
        ("library_size", TOTAL),
    ],
)
def test_rows_that_are_no_genes(name, reason):
    counters = find_counters(["TP53", f" {name}"])
    assert counters.mask.tolist() == [False, True]
    assert counters.dropped == [("gene", name, reason)]


@pytest.mark.parametrize("name", "NAT1 N4BP1 TOTAL2 SUMO1 SUMF1 ERCC1 ERCC-00002 ABCA1".split())
def test_genes_and_spike_ins_stay(name):
    assert not find_counters([name]).mask.any()


def test_another_column_may_tell_but_not_by_everyday_words():
    counters = find_counters(["", "TP53", "MYC"], [["N_unmapped", "total", "ambiguous"]])
    assert counters.mask.tolist() == [True, False, False]
    assert counters.dropped[0].name == "N_unmapped"


def test_spike_ins():
    assert is_spike_in("ERCC-00130") and not is_spike_in("ERCC1")
