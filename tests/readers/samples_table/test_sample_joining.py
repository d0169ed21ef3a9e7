"""Samples of a matrix and rows of a table find each other in any spelling, or the job stops."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers.samples_table.joining import SampleNames, join_samples

PATH = Path("s.tsv")
PATIENTS = [f"TCGA-AA-{i:04}" for i in range(1, 7)]
SAMPLES = [f"{patient}-01" for patient in PATIENTS]
ALIQUOTS = [f"{sample}A-11R-A123-07" for sample in SAMPLES]
WAYS = {
    "dots": lambda name: name.replace("-", "."),
    "underscores": lambda name: name.replace("-", "_"),
    "lower case": str.lower,
    "no-break blank": lambda name: f"{name}\u00a0",
    "quotes": lambda name: f"'{name}'",
}


def frame(**columns):
    return pd.DataFrame(columns, dtype=str)


def rows(samples, table, column="auto"):
    """The rows of each sample, and the column."""
    join = join_samples(samples, table, column, PATH)
    return join.pairs.groupby("sample")["row"].agg(list).to_dict(), join.column


def one_each(samples):
    return {name: [i] for i, name in enumerate(samples)}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_spellings_of_a_barcode_join(way):
    spelled = [way(name) for name in SAMPLES]
    other = [f"S{i}" for i in range(6)]
    assert rows(spelled, frame(note=other, id=SAMPLES)) == (one_each(spelled), "id")
    assert rows(SAMPLES, frame(note=other, id=spelled)) == (one_each(SAMPLES), "id")


@pytest.mark.parametrize(
    ("matrix", "table"),
    [
        (["X0_t", "X1_t", "X2_t"], ["0_t", "1_t", "2_t"]),
        (["0001", "0002", "0010"], ["1", "2", "10"]),
        (["1", "2", "10"], ["1.0", "2.0", "10.0"]),
        (["S 1", "S 2", "S 3"], ["S.1", "S.2", "S.3"]),
        (["s1", "s2", "s3"], ["S1", "S2", "S3"]),
    ],
)
def test_spellings_of_other_ids_join(matrix, table):
    assert rows(matrix, frame(sample=table)) == (one_each(matrix), "sample")
    assert rows(table, frame(sample=matrix)) == (one_each(table), "sample")


@given(st.permutations(range(6)), st.sampled_from(sorted(WAYS)), st.integers(1, 6))
def test_each_sample_gets_its_own_row_in_any_order(order, way, n):
    spelled = [WAYS[way](ALIQUOTS[i]) for i in order[:n]]
    assert rows(spelled, frame(id=SAMPLES))[0] == {
        name: [i] for name, i in zip(spelled, order, strict=False)
    }


@pytest.mark.parametrize("matrix", [SAMPLES, ALIQUOTS, [f"{s}A" for s in SAMPLES]])
@pytest.mark.parametrize("table", [PATIENTS, SAMPLES, ALIQUOTS, [f"{s}A" for s in SAMPLES]])
def test_barcodes_of_any_lengths_join(matrix, table):
    assert rows(matrix, frame(barcode=table)) == (one_each(matrix), "barcode")


def test_a_row_of_a_patient_is_for_all_samples_of_the_patient():
    matrix = [f"{PATIENTS[0]}-01", f"{PATIENTS[0]}-11", f"{PATIENTS[1]}-01"]
    assert rows(matrix, frame(case=PATIENTS))[0] == {matrix[0]: [0], matrix[1]: [0], matrix[2]: [1]}


def test_a_row_of_another_type_is_not_the_samples():
    normal = f"{PATIENTS[0]}-11"
    join = rows([normal, SAMPLES[1]], frame(sample=SAMPLES))[0]
    assert join == {SAMPLES[1]: [1]}


def test_a_matrix_of_patients_takes_all_their_rows():
    table = frame(sample=[SAMPLES[0], f"{PATIENTS[0]}-11", SAMPLES[1]])
    assert rows(PATIENTS[:2], table)[0] == {PATIENTS[0]: [0, 1], PATIENTS[1]: [2]}


def test_a_column_of_samples_comes_before_one_of_patients():
    matrix = [*SAMPLES, f"{PATIENTS[0]}-11"]
    table = frame(sample=PATIENTS, case=PATIENTS, barcode=SAMPLES)
    assert rows(matrix, table) == (one_each(SAMPLES), "barcode")


def test_the_spelling_of_the_matrix_comes_before_others():
    assert rows(["S1", "s1"], frame(id=["s1", "S1"]))[0] == {"S1": [1], "s1": [0]}


def test_a_barcode_in_a_file_name_joins():
    files = [f"{name}.htseq.counts.gz" for name in ALIQUOTS]
    assert rows(files, frame(id=SAMPLES))[0] == one_each(files)
    assert rows(SAMPLES, frame(file=files))[0] == one_each(SAMPLES)


def test_the_suffix_of_a_repeated_name_is_not_cut_off():
    assert SAMPLES[0] + ".1" not in rows([*SAMPLES, SAMPLES[0] + ".1"], frame(id=SAMPLES))[0]


@pytest.mark.parametrize(
    ("matrix", "table", "names"),
    [
        (["S.1", "S-1"], ["S_1", "S_2"], ["S.1", "S-1", "S_1"]),
        (["S.1"], ["S_1", "s-1"], ["S.1", "S_1", "s-1"]),
        (["1", "01"], ["1", "2"], ["1", "01"]),
        ([SAMPLES[0], SAMPLES[0].lower()], SAMPLES, [SAMPLES[0], SAMPLES[0].lower()]),
    ],
)
def test_names_that_differ_only_in_spelling_are_refused(matrix, table, names):
    with pytest.raises(InputError, match="spelling") as refused:
        rows(matrix, frame(id=table))
    assert all(name in str(refused.value) for name in names)


def test_a_named_column_counts():
    table = frame(a=SAMPLES, b=SAMPLES[::-1])
    assert rows(SAMPLES, table, "b") == ({n: [5 - i] for i, n in enumerate(SAMPLES)}, "b")
    with pytest.raises(InputError, match=r"no column 'c'.*input\.sample_column"):
        rows(SAMPLES, table, "c")


def test_a_named_column_without_samples_says_where_they_are():
    table = frame(number=[str(i) for i in range(6)], barcode=SAMPLES)
    with pytest.raises(InputError) as refused:
        rows(ALIQUOTS, table, "number")
    message = str(refused.value)
    assert "column 'barcode'" in message and "has 6 of 6" in message
    assert message.endswith('set input.sample_column = "barcode"')


@pytest.mark.parametrize(
    ("matrix", "cells", "says"),
    [
        (["S01_counts", "S02_counts"], ["S01", "S02"], "S01_counts has S01 of column 'id' inside"),
        (["S01", "S02"], ["run7-S01", "run7-S02"], "run7-S01 of column 'id' has S01 inside"),
        (SAMPLES[:2], ["TCGA-BB-0001-01", "TCGA-BB-0002-01"], "but of other patients"),
        (SAMPLES[:2], ["GSM1", "GSM2"], "those of the table are not"),
        (["a", "b"], ["c", "d"], "'id' has c, d"),
    ],
)
def test_ids_without_a_match_are_shown_with_their_difference(matrix, cells, says):
    with pytest.raises(InputError) as refused:
        rows(matrix, frame(id=cells))
    message = str(refused.value)
    assert says in message and matrix[0] in message and cells[0] in message
    assert len(message) < 1000


def test_a_fact_says_how_the_ids_were_compared():
    matrix = [SAMPLES[0], SAMPLES[1].lower(), ALIQUOTS[2]]
    fact = join_samples(matrix, frame(id=SAMPLES), "auto", PATH).facts[0]
    assert "3 of 3 samples" in fact.reason
    assert "1 spelled alike" in fact.reason
    assert f"(such as {SAMPLES[1].lower()} and {SAMPLES[1]})" in fact.reason
    assert f"1 by the sample in both barcodes (such as {ALIQUOTS[2]}" in fact.reason
    assert (fact.setting, fact.value) == ("input.sample_column", "id")


def test_names_of_samples_are_known_in_any_column_and_spelling():
    names = SampleNames([frame(x=["0_t", "1_t"], age=["61.5", "12.25"]), frame(y=["Z9", "Z8"])])
    assert all(map(names.is_sample, ["0_t", "X1_t", "z9", ALIQUOTS[0], SAMPLES[0].lower()]))
    assert not any(map(names.is_sample, ["", "TP53", "61.5", "Z7"]))
