"""Values that are missing, infinite or negative: what each rule makes of them."""

import numpy as np
import pandas as pd
import pytest
from arrays import ArrayExpression, values_of
from test_selection import config, drops, select


def with_bad_values():
    """Forty samples and genes; a negative value, a missing one, a bad sample, a bad gene."""
    rng = np.random.default_rng(0)
    expression = ArrayExpression(rng.gamma(4, 2, (40, 40)))
    expression.matrix[1, 1], expression.matrix[2, 2] = -0.3, np.nan
    expression.matrix[3, 10:] = np.nan
    expression.matrix[10:30, 4] = -1
    expression.matrix[20:, 5] = np.nan  # in no sample of UVM
    table = pd.DataFrame({"sample": expression.samples})
    table["patient"], table["tumor"] = table["sample"], np.repeat(["ACC", "UVM"], 20)
    table["sample_type"], table["source"] = "01", ""
    return expression, table


@pytest.mark.parametrize(
    ("rule", "samples", "genes"),
    [
        ("drop", ["s3"], ["GENE4", "GENE5"]),
        ("drop_genes", [], [f"GENE{i}" for i in (1, 2, 4, 5, *range(10, 40))]),
        ("repair", [], ["GENE5"]),
    ],
)
def test_bad_values_are_left_out_or_repaired_by_rule(rule, samples, genes):
    expression, table = with_bad_values()
    kept = select(config(bad_values=rule, genes=4), expression, table)
    names = [("sample", name) for name in samples] + [("gene", name) for name in genes]
    assert sorted(drops(kept)) == sorted(names)
    if rule != "drop_genes":
        kept = select(config(bad_values=rule, genes=40 - len(genes)), expression, table)
        values = pd.DataFrame(values_of(kept.expression), kept.samples["sample"], kept.genes)
        assert values.loc["s1", "GENE1"] == 0
        others = values["GENE2"].drop("s2")
        assert values.loc["s2", "GENE2"] == pytest.approx(others.mean(), rel=1e-5)
    reasons = dict(zip(kept.dropped["name"], kept.dropped["reason"], strict=True))
    if rule == "repair":
        assert reasons["GENE5"] == "missing in all samples of UVM"


def test_samples_with_any_bad_value_are_left_out_by_rule():
    expression, table = with_bad_values()
    expression.matrix[20:, 5] = 1
    kept = select(config(bad_values="drop_samples"), expression, table)
    bad = {1, 2, 3, *range(10, 30)}
    assert sorted(drops(kept)) == sorted(("sample", f"s{i}") for i in bad)
