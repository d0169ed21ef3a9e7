"""Every gene and sample of an input is counted: what was dropped and what is kept add up."""

import numpy as np
import pandas as pd
import pytest
from test_selection import config, inputs, select

from tumorcam.cohort import tally


def steps(table: pd.DataFrame, kind: str) -> dict[str, int]:
    rows = table[table["kind"] == kind]
    return dict(zip(rows["step"], rows["n"].tolist(), strict=True))


def test_genes_beyond_the_most_variable_and_constant_ones_are_counted():
    expression, table = inputs(n_genes=20)
    expression.matrix[:, :3] = 5.0
    kept = select(config(genes=9), expression, table)
    assert steps(kept.tally, "gene") == {
        "read": 20,
        tally.CONSTANT: 3,
        tally.LESS_VARIABLE: 8,
        "kept": 9,
    }
    assert steps(kept.tally, "sample") == {"read": 9, "kept": 9}


def test_constant_genes_are_kept_only_where_nothing_else_is_left():
    expression, table = inputs(n_genes=9)
    expression.matrix[:, :4] = 5.0
    kept = select(config(genes=7), expression, table)
    assert steps(kept.tally, "gene") == {"read": 9, tally.CONSTANT: 2, "kept": 7}


@pytest.mark.parametrize("rule", ["drop", "max_variance", "first", "mean", "sum"])
def test_repeated_genes_are_counted_under_every_rule(rule):
    expression, table = inputs(n_genes=12)
    expression.genes = [*expression.genes[:9], *expression.genes[:3]]
    expression.matrix[:, 4] = np.repeat([1.0, 2.0, 3.0], 3)  # a label
    kept = select(config(duplicates=rule, genes=4), expression, table)
    of_genes = steps(kept.tally, "gene")
    assert of_genes[tally.IS_LABEL] == 1
    (repeats,) = (n for step, n in of_genes.items() if step.startswith("repeated"))
    assert repeats == 3
    assert tally.unexplained(kept.tally, "gene") == 0


def test_a_repeated_label_counts_once():
    expression, table = inputs(n_genes=12)
    expression.genes = [*expression.genes[:9], *expression.genes[:3]]
    expression.matrix[:, 10] = np.repeat([1.0, 1.1, 1.2], 3)  # varies less than its namesake
    kept = select(config(duplicates="drop", genes=4), expression, table)
    assert tally.unexplained(kept.tally, "gene") == 0


def test_samples_are_counted_by_the_first_reason_that_drops_them():
    expression, table = inputs(tumors="ACC BRCA UVM THYM")
    table.loc[1, "sample_type"] = "11"  # normal
    table["source"] = np.where(table["tumor"] == "UVM", "west", "east")
    table.loc[11, "tumor"] = ""
    alone = table.iloc[[0]].assign(sample="no expression")
    table = pd.concat([table, alone], ignore_index=True)
    settings = config(
        sources=["east"], tumors=["ACC", "BRCA"], unlabelled="drop", sample_types=["01"]
    )
    kept = select(settings, expression, table)
    assert steps(kept.tally, "sample") == {
        "read": 13,
        tally.TABLE_ALONE: 1,
        tally.UNLIKE_TYPES: 1,
        tally.OTHER_SOURCE: 3,
        "has no tumor type": 1,
        tally.OTHER_TUMOR: 2,
        "kept": 5,
    }
    assert kept.counts["n_kept"].sum() == 5


def test_no_name_is_unexplained_where_one_is_missing():
    rows = [("gene", tally.READ, 9), ("gene", "a reason", 2), ("gene", tally.KEPT, 6)]
    assert tally.unexplained(tally.tally_of(rows), "gene") == 1
