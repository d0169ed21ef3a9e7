"""Which samples and genes are kept, and what every kind of bad input does."""

import numpy as np
import pandas as pd
import pytest
from arrays import ArrayExpression, values_of
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort import selection
from tumorcam.cohort.selection import Selection
from tumorcam.errors import CohortError, InputError
from tumorcam.settings.config import Config, config_from_tables

PER_TUMOR = 3


def config(scale: str = "log2", **cohort_settings) -> Config:
    tables = {"input": {"scale": scale}, "cohort": cohort_settings, "splits": {"folds": 2}}
    return config_from_tables(tables, source="test")


def inputs(n_genes: int = 9, tumors: str = "ACC BRCA UVM", seed: int = 0):
    """A matrix of random values, and its table: three primary samples a tumor."""
    tumor = np.repeat(tumors.split(), PER_TUMOR)
    matrix = np.random.default_rng(seed).gamma(4, 2, (len(tumor), n_genes))
    expression = ArrayExpression(matrix)
    table = pd.DataFrame(
        {
            "sample": expression.samples,
            "patient": [f"p{i}" for i in range(len(tumor))],
            "tumor": tumor,
            "sample_type": "01",
            "source": "",
        }
    )
    return expression, table


def select(settings: Config, expression: ArrayExpression, table: pd.DataFrame) -> Selection:
    return selection.select(settings, expression.inputs(table))


def drops(selection: Selection) -> list[tuple[str, str]]:
    return list(zip(selection.dropped["kind"], selection.dropped["name"], strict=True))


def test_all_of_a_clean_input_is_kept():
    expression, table = inputs()
    kept = select(config(), expression, table)
    np.testing.assert_array_equal(values_of(kept.expression), expression.matrix.astype(np.float32))
    assert kept.samples.equals(table)
    assert kept.genes.tolist() == expression.genes
    np.testing.assert_allclose(kept.variance, expression.matrix.var(axis=0), rtol=1e-5)
    assert list(kept.dropped.columns) == ["kind", "name", "reason"]
    assert len(kept.dropped) == 0


@given(seed=st.integers(0, 50), scale=st.sampled_from(["log2", "counts", "tpm"]))
def test_the_order_of_the_file_changes_no_value(seed, scale):
    expression, table = inputs(n_genes=16, seed=seed)
    if scale != "log2":
        expression.matrix = np.floor(expression.matrix * 100) / (1 if scale == "counts" else 0.7)
    rng = np.random.default_rng(seed)
    # Library sizes are sums in file order, so that for them only samples change places.
    rows = rng.permutation(len(table))
    columns = np.arange(16) if scale == "counts" else rng.permutation(16)
    shuffled = ArrayExpression(
        expression.matrix[rows][:, columns],
        samples=[expression.samples[i] for i in rows],
        genes=[expression.genes[i] for i in columns],
    )
    of_shuffled = select(config(scale, genes=9), shuffled, table.sample(frac=1, random_state=1))
    expected = select(config(scale, genes=9), expression, table)
    np.testing.assert_array_equal(values_of(of_shuffled.expression), values_of(expected.expression))
    np.testing.assert_array_equal(of_shuffled.variance, expected.variance)
    assert of_shuffled.genes.tolist() == expected.genes.tolist()
    assert of_shuffled.samples.equals(expected.samples)


def test_counts_become_log2_of_counts_per_million():
    expression, table = inputs()
    expression.matrix = np.floor(expression.matrix * 100)
    kept = select(config("counts"), expression, table)
    per_million = expression.matrix / expression.matrix.sum(axis=1, keepdims=True) * 1e6
    np.testing.assert_allclose(values_of(kept.expression), np.log2(per_million + 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("n_wanted", "chosen"),
    [(0, "b d e f"), (4, "b d e f"), (5, "b c d e f"), (6, "a b c d e f")],
)
def test_the_most_variable_genes_are_chosen_and_ties_go_by_name(n_wanted, chosen):
    names = np.array(list("fedcbag"))
    variance = np.array([2, 2, 2, 1, 3, 0, 9.0])  # f e d c b a g
    genes = selection.choose_genes(names, variance, names != "g", n_wanted=n_wanted)
    assert names[genes].tolist() == chosen.split()


def test_a_tie_is_cut_by_name():
    names = np.array(list("fedcba"))
    genes = selection.choose_genes(names, np.ones(6), np.ones(6, dtype=bool), n_wanted=0)
    assert names[genes].tolist() == list("abcd")


@pytest.mark.parametrize("n_genes", [4, 15, 16, 107**2, 107**2 + 5000])
def test_without_a_number_the_largest_square_is_taken(n_genes):
    names = np.array([f"g{i:05d}" for i in range(n_genes)])
    variance = np.arange(1.0, n_genes + 1)
    genes = selection.choose_genes(names, variance, np.ones(n_genes, dtype=bool), n_wanted=0)
    side = round(len(genes) ** 0.5)
    assert side**2 == len(genes) <= n_genes
    assert side == 107 or (side + 1) ** 2 > n_genes


@pytest.mark.parametrize(("n_wanted", "n_varying"), [(10, 9), (0, 3), (2, 9)])
def test_too_few_genes_are_refused(n_wanted, n_varying):
    variance = np.zeros(9)
    variance[:n_varying] = 1
    names = np.array(list("abcdefghi"))
    with pytest.raises(CohortError, match=f"9 usable genes, {n_varying} of which vary; wanted"):
        selection.choose_genes(names, variance, np.ones(9, dtype=bool), n_wanted=n_wanted)


def facts(kept: Selection, topic: str) -> str:
    of_topic = kept.facts[kept.facts["topic"] == topic]
    return " ".join(of_topic["text"] + " " + of_topic["others"])


def test_filters_by_type_source_and_tumor_are_counted_not_listed():
    expression, table = inputs(tumors="ACC BRCA UVM UCS")
    table.loc[0, "sample_type"] = "11"
    table["source"] = ["west"] * 10 + ["east"] * 2
    filters = config(tumors=["ACC", "BRCA"], sources=["west"])
    kept = select(filters, expression, table)
    assert kept.samples["sample"].tolist() == ["s1", "s2", "s3", "s4", "s5"]
    assert len(kept.dropped) == 0
    assert facts(kept, "normals").startswith("1 normal samples are left out")
    assert facts(kept, "sources") == "keeps 9 of 11 samples left out: east (2)"
    assert facts(kept, "tumors") == "keeps 5 of 9 samples left out: UVM (3), UCS (1)"
    counts = {(r.tumor, r.sample_type): (r.n_samples, r.n_kept) for r in kept.counts.itertuples()}
    assert counts["ACC", "11"] == (1, 0) and counts["ACC", "01"] == (2, 2)


def test_each_tumor_keeps_the_type_that_makes_it_one():
    expression, table = inputs()
    table.loc[table["tumor"] == "UVM", "sample_type"] = "03"
    table.loc[0, "sample_type"] = "06"
    kept = select(config(), expression, table)
    assert len(kept.samples) == 8 and "03 (" in facts(kept, "sample types")
    assert "left out: ACC 06 (1); cohort.sample_types = " in facts(kept, "sample types")
    more = select(config(sample_types=["tumor", "ACC:06"]), expression, table)
    assert len(more.samples) == 9


def with_repeated_gene(expression, table):
    expression.genes[3] = "GENE0"


def with_repeated_sample(expression, table):
    expression.samples[8] = "s7"


def with_conflicting_table(expression, table):
    table.loc[8, ["sample", "tumor"]] = ["s7", "ACC"]
    expression.samples.pop()
    expression.matrix = expression.matrix[:-1]


def with_missing_value(expression, table):
    expression.matrix[4, 5] = np.nan


def with_infinite_value(expression, table):
    expression.matrix[4, 5] = np.inf


def with_enormous_value(expression, table):
    expression.matrix[4, 5] = 1e300


def with_negative_value(expression, table):
    expression.matrix[4, 5] = -0.5


def with_stranger(expression, table):
    expression.samples[8] = "q"


def with_sample_without_tumor(expression, table):
    table.loc[8, "tumor"] = ""


def with_rare_tumor(expression, table):
    table.loc[[6, 7, 8], "patient"] = "p6"


FAULTS = [
    (with_repeated_gene, "duplicates", [("gene", "GENE0")], r"repeated genes: 1, GENE0 \("),
    (with_repeated_sample, "duplicates", [("sample", "s7")], r"repeated samples: 1, s7"),
    (with_missing_value, "bad_values", [("sample", "s4")], r"GENE5 \(is nan in sample s4\)"),
    (with_infinite_value, "bad_values", [("sample", "s4")], r"GENE5 \(is inf in sample s4\)"),
    (with_enormous_value, "bad_values", [("sample", "s4")], r"GENE5 \(is inf in sample s4\)"),
    (
        with_negative_value,
        "bad_values",
        [("sample", "s4")],
        r"GENE5 \(is -0.5 in sample s4\)",
    ),
    (with_stranger, "unlabelled", [("sample", "q")], r"q \(not in the samples table\)"),
    (with_sample_without_tumor, "unlabelled", [("sample", "s8")], r"s8 \(has no tumor type\)"),
    (
        with_rare_tumor,
        "rare_tumors",
        [("sample", "s6"), ("sample", "s7"), ("sample", "s8")],
        r"do not fill splits.folds = 2: 3, s6 \(tumor UVM has 1 patients for the folds\)",
    ),
]


@pytest.mark.parametrize(("spoil", "policy", "dropped", "message"), FAULTS)
def test_a_fault_stops_or_is_dropped_and_listed(spoil, policy, dropped, message):
    expression, table = inputs()
    spoil(expression, table)
    with pytest.raises((InputError, CohortError), match=message) as error:
        select(config(), expression, table)
    assert f'cohort.{policy} = "drop"' in str(error.value)
    kept = select(config(**{policy: "drop"}), expression, table)
    assert drops(kept) == dropped
    for kind, name in dropped:
        if name not in ("GENE0", "s7") or spoil is with_rare_tumor:
            assert name not in kept.genes.tolist() + kept.samples["sample"].tolist(), kind


def test_one_sample_with_two_tumors_is_refused_under_every_rule():
    expression, table = inputs()
    with_conflicting_table(expression, table)
    with pytest.raises(InputError, match=r"more than one tumor type \('s7': ACC, UVM\)"):
        select(config(duplicates="drop"), expression, table)


@pytest.mark.parametrize("rule", ["drop", "first", "max_variance", "mean", "sum"])
def test_repeated_genes_and_samples_become_one_by_rule(rule):
    expression, table = inputs(n_genes=10)
    expression.genes[3] = "GENE0"
    expression.matrix[:, 0] = 0.5  # the first one is constant
    expression.samples[8] = "s7"
    kept = select(config(duplicates=rule, genes=9), expression, table)
    column, row = kept.genes.tolist().index("GENE0"), kept.samples["sample"].tolist().index("s7")
    values = expression.matrix.astype(np.float32)
    sample = {"mean": values[7:9].mean(axis=0), "sum": values[7:9].sum(axis=0)}.get(rule, values[7])
    linear = np.exp2(sample[[0, 3]]) - 1
    expected = {
        "first": sample[0],
        "mean": np.log2(linear.mean() + 1),
        "sum": np.log2(linear.sum() + 1),
    }.get(rule, sample[3])
    assert values_of(kept.expression)[row, column] == pytest.approx(expected, rel=1e-6)
    assert sorted(drops(kept)) == [("gene", "GENE0"), ("sample", "s7")]


def test_a_label_among_the_genes_is_dropped():
    expression, table = inputs()
    expression.matrix[:, 2] = np.repeat([0, 1, 1], 3)
    kept = select(config(), expression, table)
    assert drops(kept) == [("gene", "GENE2")] and "GENE2" not in kept.genes


def test_unknown_patients_stop_the_run_unless_each_sample_is_one():
    expression, table = inputs()
    table["patient"] = ""
    with pytest.raises(InputError, match=r'cohort\.patients = "samples"'):
        select(config(), expression, table)
    kept = select(config(patients="samples"), expression, table)
    assert kept.samples["patient"].tolist() == kept.samples["sample"].tolist()


def test_normals_are_a_class_by_choice_in_the_folds_of_their_patients():
    expression, table = inputs()
    table.loc[[2, 5, 8], "sample_type"] = "11"
    table["patient"] = [f"p{i % 3 // 2 * 0 + i // 3}{i % 3 % 2}" for i in range(9)]
    kept = select(config(normals="class"), expression, table)
    assert kept.samples["tumor"].value_counts().to_dict() == dict.fromkeys(
        ["ACC", "BRCA", "UVM"], 2
    ) | {"Normal": 3}


def test_bad_values_of_samples_that_are_filtered_out_do_not_matter():
    expression, table = inputs()
    expression.matrix[0, 0] = np.nan
    table.loc[0, "sample_type"] = "11"
    assert len(select(config(), expression, table).dropped) == 0


def test_negative_values_are_fine_as_they_are():
    expression, table = inputs()
    with_negative_value(expression, table)
    assert values_of(select(config("as_is"), expression, table).expression).min() == -0.5


def test_counts_that_are_called_log2_are_refused():
    expression, table = inputs()
    expression.matrix[0, 0] = 5000
    with pytest.raises(InputError, match=r'1.49278 to 5000; set input.scale = "counts"'):
        select(config(bad_values="drop"), expression, table)


def test_more_than_three_names_are_cut():
    expression, table = inputs()
    expression.matrix[2] = np.nan
    with pytest.raises(InputError, match=r"9 missing .*; first: GENE0 \(.* and 6 more; "):
        select(config(), expression, table)


def test_no_known_sample_type_is_refused():
    expression, table = inputs()
    table["sample_type"] = ""
    with pytest.raises(InputError, match=r"cohort.sample_types = \[\]"):
        select(config(), expression, table)
    assert len(select(config(sample_types=[]), expression, table).samples) == 9


@pytest.mark.parametrize(
    ("first", "second"),
    [("ER+", "ER-"), ("a/b", "a b"), ("Luad", "LUAD"), ("x.", "x")],
)
def test_tumors_with_the_same_file_name_are_refused(first, second):
    expression, table = inputs()
    table["tumor"] = table["tumor"].replace({"ACC": first, "BRCA": second})
    with pytest.raises(CohortError) as error:
        select(config(), expression, table)
    message = str(error.value)
    assert repr(first) in message and repr(second) in message
    assert "rename a tumor in the samples table" in message
    kept = select(config(tumors=[first, "UVM"]), expression, table)
    assert sorted(set(kept.samples["tumor"])) == sorted([first, "UVM"]), "the other is left out"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_types": ["06"]}, r"no sample is of .*\['06'\]; there are: 01 \(9\)"),
        ({"tumors": ["ACC", "LAML"]}, r"cohort.tumors names LAML.*there are: ACC, BRCA, UVM"),
        ({"sources": ["west"]}, "cohort.sources names west.*there are: none"),
        ({"tumors": ["ACC"]}, r"3 samples of 1 tumors \(ACC\) are left; wanted at least 2"),
        ({"genes": 10}, "9 usable genes, 9 of which vary; wanted 10"),
    ],
)
def test_a_filter_that_leaves_too_little_is_refused(settings, message):
    expression, table = inputs()
    with pytest.raises(CohortError, match=message):
        select(config(**settings), expression, table)


def test_a_patient_of_two_tumors_counts_for_the_first_sample():
    expression, table = inputs()
    table.loc[[3, 4], "patient"] = "p0"  # BRCA keeps one patient of its own
    with pytest.raises(CohortError, match="tumor BRCA has 2 patients for the folds"):
        select(config(), expression, table)
