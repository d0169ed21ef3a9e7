"""IDs of samples in any spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.readers.samples_table.identifiers import Identity, canonical, identify, levels

ALIQUOT = "TCGA-02-0001-01C-01D-0182-01"
BARCODES = {
    "TCGA-02-0001": Identity("TCGA", "TCGA-02-0001", "TCGA-02-0001", ""),
    "TCGA-02-0001-11": Identity("TCGA", "TCGA-02-0001-11", "TCGA-02-0001", "11"),
    "TCGA-02-0001-01C": Identity("TCGA", "TCGA-02-0001-01C", "TCGA-02-0001", "01"),
    "TCGA-02-0001-01C-01": Identity("TCGA", "TCGA-02-0001-01C-01", "TCGA-02-0001", "01"),
    ALIQUOT: Identity("TCGA", ALIQUOT, "TCGA-02-0001", "01"),
    "TARGET-20-PABLDZ-09A-01R": Identity(
        "TARGET", "TARGET-20-PABLDZ-09A-01R", "TARGET-20-PABLDZ", "09"
    ),
    "TARGET-20-PABLDZ-09": Identity("TARGET", "TARGET-20-PABLDZ-09", "TARGET-20-PABLDZ", "09"),
    "GTEX-1117F-0226-SM-5GZZ7": Identity("GTEx", "GTEX-1117F-0226-SM-5GZZ7", "GTEX-1117F", "11"),
    "GTEX-N7MS-0011-R10A-SM-2HMJK": Identity(
        "GTEx", "GTEX-N7MS-0011-R10A-SM-2HMJK", "GTEX-N7MS", "11"
    ),
    "C3L-00001": Identity("CPTAC", "C3L-00001", "C3L-00001", ""),
    "C3N-01234-02": Identity("CPTAC", "C3N-01234-02", "C3N-01234", ""),
    "C3N-01234-T": Identity("CPTAC", "C3N-01234-T", "C3N-01234", "01"),
    "C3N-01234-N": Identity("CPTAC", "C3N-01234-N", "C3N-01234", "11"),
}


@pytest.mark.parametrize("barcode", BARCODES)
def test_a_barcode_says_program_patient_and_type(barcode):
    assert identify(barcode) == BARCODES[barcode]


@given(
    barcode=st.sampled_from(sorted(BARCODES)),
    separator=st.sampled_from(["-", ".", "_", " ", "\u00a0", "\u2011", "--"]),
    case=st.sampled_from([str.upper, str.lower, str.title]),
    around=st.sampled_from(["", " ", "\u00a0", "'", '"', "\ufeff", "\t"]),
)
def test_any_spelling_of_a_barcode_says_the_same(barcode, separator, case, around):
    spelled = around + case(barcode.replace("-", separator)) + around
    assert identify(spelled) == BARCODES[barcode]
    assert canonical(spelled) == barcode


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"unc.edu.0b0bbc77-a9f3-4298-ba21-587d10209b0b.1864969.{ALIQUOT}.txt", ALIQUOT),
        ("TCGA-AA-0001-01A.htseq.counts", "TCGA-AA-0001-01A"),
        ("tcga_aa_0001_11_rep2", "TCGA-AA-0001-11"),
        ("TCGA-AA-0001/TCGA-AA-0001-01A.bam", "TCGA-AA-0001-01A"),
        ("TCGA-CC-5258, TCGA-CC-5258", "TCGA-CC-5258"),
        ("TCGA-AA-3939-01Z-00-DX1.5e7ecf69-d1fd", "TCGA-AA-3939-01Z-00"),
        ("TARGET-20-PABLDZ-09A-01R.gene.quantification.txt", "TARGET-20-PABLDZ-09A-01R"),
        ("counts_GTEX-1117F-0226-SM-5GZZ7.gct", "GTEX-1117F-0226-SM-5GZZ7"),
    ],
)
def test_a_barcode_inside_a_longer_text_is_understood(text, key):
    identity = identify(text)
    assert identity is not None
    assert identity.key == key
    assert canonical(text) != key  # the text may be one of several files of the sample


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S01",
        "BRCA",
        "TCGA-BRCA",
        "TCGA-02-0001-01.1",  # pandas writes the suffix behind a name that occurs again
        "TCGA-02-0001-01A.2",
        "C3L-00001.1",
        "TCGA-AA-0001-01A, TCGA-AA-0001-11A",  # a pair is no sample
        "TCGA-AA-0001-01A_vs_TCGA-AA-0002-11A",
        "XTCGA-AA-0001-01",
        "ENSG00000141510",
    ],
)
def test_other_texts_are_no_barcodes(text):
    assert identify(text) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("X0_t", "0_t"),
        ("X12", "12"),
        ("0001", "1"),
        ("1.0", "1"),
        ("S 1", "s.1"),
        ("Sample (1)", "Sample..1."),
        ("'S1'", "S1\u00a0"),
        ("GSM1-a", "GSM1_A"),
    ],
)
def test_spellings_of_one_id_are_equal(first, second):
    assert canonical(first) == canonical(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1", "10"),
        ("1.0", "1.5"),
        ("S1", "S01"),
        ("S1", "S1.1"),
        ("CD4+", "CD4-"),
        ("DX1", "D1"),
        ("TCGA-02-0001-01", "TCGA-02-0001-01.1"),
        ("TCGA-02-0001-01", "TCGA-02-0001-01A"),
    ],
)
def test_different_ids_stay_different(first, second):
    assert canonical(first) != canonical(second)


@given(st.text(max_size=40))
def test_any_text_has_a_canonical_spelling_that_stays(text):
    assert canonical(canonical(text)) == canonical(text)


def test_levels_of_a_barcode_go_from_the_patient_to_the_whole():
    identity = identify(ALIQUOT)
    assert identity is not None
    assert levels(identity) == [
        "TCGA-02-0001",
        "TCGA-02-0001-01",
        "TCGA-02-0001-01C",
        "TCGA-02-0001-01C-01",
        "TCGA-02-0001-01C-01D",
        "TCGA-02-0001-01C-01D-0182",
        ALIQUOT,
    ]


def test_a_copy_of_a_gtex_sample_is_no_part_of_it():
    identity = identify("GTEX-1117F-0226-SM-5GZZ7.1")  # as recount3 writes it
    assert identity is not None
    assert levels(identity) == ["GTEX-1117F", "GTEX-1117F-0226-SM-5GZZ7-1"]
