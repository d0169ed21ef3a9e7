"""Which sample types a cohort keeps: a normal is never a tumor, and what is left out is counted."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import CohortError, InputError
from tumorcam.readers.samples_table.sample_types import CODES, TUMOR_ORDER, is_normal
from tumorcam.readers.samples_table.type_choice import choose_types
from tumorcam.settings import CohortSettings

TCGA = {"BRCA": {"01": 5, "06": 1, "11": 3}, "LAML": {"03": 4}, "SKCM": {"01": 2, "06": 6}}
MAIN = {("BRCA", "01"): 5, ("LAML", "03"): 4, ("SKCM", "01"): 2}


def samples(**counts):
    """Samples of each tumor and type."""
    rows = [
        (f"{tumor}{kind}{i}", f"P{i}", tumor, kind)
        for tumor, kinds in counts.items()
        for kind, n in kinds.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows, columns=["sample", "patient", "tumor", "sample_type"], dtype=str)


def chosen(table, **settings):
    """Counts of the kept samples by tumor and type."""
    kept = choose_types(table, CohortSettings(**settings)).samples
    return kept.groupby(["tumor", "sample_type"]).size().to_dict()


def facts(table, **settings):
    choice = choose_types(table, CohortSettings(**settings))
    return " | ".join(f"{f.topic}: {f.text}; {f.reason}; {f.others}" for f in choice.facts)


def test_by_default_each_tumor_keeps_the_type_that_makes_it_one():
    table = samples(**TCGA)
    assert chosen(table) == MAIN
    text = facts(table)
    assert "01 (primary solid tumor) of BRCA, SKCM" in text
    assert "03 (primary blood derived cancer - peripheral blood) of LAML" in text
    assert "left out: SKCM 06 (6), BRCA 06 (1)" in text
    assert 'cohort.sample_types = ["tumor", "SKCM:06"] keeps the first' in text
    assert "3 normal samples are left out" in text and "BRCA (3)" in text


def test_the_advice_of_the_fact_keeps_them():
    kept = chosen(samples(**TCGA), sample_types=("tumor", "SKCM:06"))
    assert kept == {("BRCA", "01"): 5, ("LAML", "03"): 4, ("SKCM", "01"): 2, ("SKCM", "06"): 6}


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        (("01",), {("BRCA", "01"): 5, ("SKCM", "01"): 2}),
        (("Primary Tumor",), {("BRCA", "01"): 5, ("SKCM", "01"): 2}),
        (("1", "6"), {("BRCA", "01"): 5, ("BRCA", "06"): 1, ("SKCM", "01"): 2, ("SKCM", "06"): 6}),
        (("TB", "SKCM:Metastatic"), {("LAML", "03"): 4, ("SKCM", "06"): 6}),
        (("tumor", "11"), {**MAIN, ("Normal", "11"): 3}),
        (("tumor", "BRCA:11"), {**MAIN, ("Normal", "11"): 3}),
        (("tumor", "SKCM:11"), MAIN),
    ],
)
def test_types_are_named_by_codes_and_words(items, kept):
    assert chosen(samples(**TCGA), sample_types=items) == kept


def test_an_empty_list_keeps_all_but_the_normals():
    choice = choose_types(samples(**TCGA), CohortSettings(sample_types=()))
    assert not choice.samples["sample_type"].map(is_normal).any()
    assert len(choice.samples) == 18
    assert [drop.name for drop in choice.dropped] == ["BRCA110", "BRCA111", "BRCA112"]
    assert all('cohort.normals = "class"' in drop.reason for drop in choice.dropped)


def test_normals_become_a_class_by_choice():
    for items in (("tumor",), ()):
        kept = chosen(samples(**TCGA), sample_types=items, normals="class")
        assert kept["Normal", "11"] == 3
        assert ("BRCA", "11") not in kept


@pytest.mark.parametrize("word", ["Normal", "NORMAL", "Solid Tissue Normal"])
@pytest.mark.parametrize("items", [("tumor",), ()])
@pytest.mark.parametrize("kind", ["11", ""])
def test_labels_that_are_words_for_normals_are_a_class(word, items, kind):
    table = samples(BRCA={"01": 4}, COAD={"01": 4}, **{word: {kind: 8}})
    kept = chosen(table, sample_types=items)
    assert kept == {("BRCA", "01"): 4, ("COAD", "01"): 4, (word, "11"): 8}


def test_other_normals_join_the_class_that_the_labels_have():
    table = samples(BRCA={"01": 4, "11": 2}, NORMAL={"11": 3})
    assert chosen(table, normals="class") == {("BRCA", "01"): 4, ("NORMAL", "11"): 5}


def test_samples_that_are_all_normal_are_classified_by_tissue_on_request():
    gtex = samples(Breast={"11": 4}, Colon={"11": 4})
    with pytest.raises(CohortError, match=r"all are normal: set cohort\.sample_types = \[\]"):
        chosen(gtex)
    assert chosen(gtex, sample_types=()) == {("Breast", "11"): 4, ("Colon", "11"): 4}
    assert "kept under their labels" in facts(gtex, sample_types=())


def test_tissues_beside_tumors_are_left_out():
    table = samples(BRCA={"01": 4}, COAD={"01": 4}, Breast={"11": 4})
    assert chosen(table) == chosen(table, sample_types=()) == {("BRCA", "01"): 4, ("COAD", "01"): 4}


def test_types_that_nobody_knows_stop_the_job():
    table = samples(BRCA={"": 4}, COAD={"": 4})
    with pytest.raises(InputError, match=r"no sample type is known.*input\.sample_type_column"):
        chosen(table)
    with pytest.raises(InputError, match="no sample type is known"):
        chosen(table, unlabelled="drop")
    assert chosen(table, sample_types=()) == {("BRCA", ""): 4, ("COAD", ""): 4}


def test_some_unknown_types_stop_the_job_or_are_listed():
    table = samples(BRCA={"01": 8}, COAD={"01": 4, "": 4})
    with pytest.raises(InputError) as refused:
        chosen(table)
    message = str(refused.value)
    assert "4 of 16 samples" in message and "COAD (4)" in message and "COAD0" in message
    assert 'cohort.unlabelled = "drop"' in message
    choice = choose_types(table, CohortSettings(unlabelled="drop"))
    assert len(choice.samples) == 12
    assert [drop.name for drop in choice.dropped] == [f"COAD{i}" for i in range(4)]


def test_a_type_that_no_sample_has_is_refused_with_those_there_are():
    with pytest.raises(CohortError, match=r"\['50'\].*01 \(7\), 03 \(4\), 06 \(7\), 11 \(3\)"):
        chosen(samples(**TCGA), sample_types=("50",))


counts = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.dictionaries(st.sampled_from(sorted(CODES)), st.integers(1, 3), min_size=1),
    min_size=1,
)


@given(counts)
def test_the_default_keeps_the_first_type_of_each_tumor(counts):
    first = {
        (tumor, code): kinds[code]
        for tumor, kinds in counts.items()
        for code in [next((c for c in TUMOR_ORDER if c in kinds), None)]
        if code
    }
    try:
        assert chosen(samples(**counts)) == first
    except CohortError:
        assert not first


@given(
    counts,
    st.lists(st.sampled_from(["tumor", "01", "11", "A:06", "A:11", "Normal"]), max_size=3),
    st.sampled_from(["drop", "class"]),
)
def test_no_normal_is_ever_a_tumor(counts, items, normals):
    table = samples(**counts)
    if table["sample_type"].map(is_normal).all():
        return
    try:
        kept = chosen(table, sample_types=tuple(items), normals=normals)
    except CohortError:
        return
    assert all((tumor == "Normal") == is_normal(kind) for tumor, kind in kept)
