from dataclasses import replace

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError
from tumorcam.explain.views import RankingKey
from tumorcam.report.results import read_results
from tumorcam.report.tumor_text import describe_tumor, taken_for_others, top_genes, tumor_answer
from tumorcam.storage.run_folder import RunFolder

KEY = RankingKey("gradient_x_input", "contrast")
BRCA = 1  # whose drivers are GENE03 to GENE05


@pytest.fixture
def config(tiny_run):
    """A finished run whose threshold is one that its few decoys allow."""
    significance = replace(tiny_run.significance, q_decoy=0.3)
    return finish_run(replace(tiny_run, significance=significance))


@pytest.fixture
def cohort(config):
    return read_cohort(RunFolder.of(config).cohort, config)


@pytest.fixture
def results(config, cohort):
    return read_results(RunFolder.of(config), cohort, config)


def with_calls(results, cohort, calls):
    """The tables where both replicates call each sample so, by tumor index; -1: not explained."""
    probability = np.full((2, len(calls), len(cohort.tumors)), np.nan, np.float32)
    for i, call in enumerate(calls):
        if call >= 0:
            probability[:, i] = np.eye(len(cohort.tumors))[call]
    n_right, n = (
        np.bincount(cohort.tumor[mask], minlength=4) for mask in (calls == cohort.tumor, calls >= 0)
    )
    recall = n_right / np.where(n > 0, n, np.nan)
    classification = replace(results.classification, probability=probability, recall=recall)
    return replace(results, classification=classification)


def test_the_first_genes_of_a_tumor_are_its_drivers(cohort, results):
    answer = tumor_answer(cohort, results, KEY, BRCA, top=3)
    assert sorted(answer.table["gene"]) == ["GENE03", "GENE04", "GENE05"]
    assert answer.table["rank"].tolist() == [1, 2, 3]
    lines = answer.text.splitlines()
    assert lines[0] == "BRCA: 11 patients, 12 samples explained for BRCA"
    assert lines[1].startswith("recall ") and "% of them BRCA" in lines[1]
    evidence = results.ranking(KEY).evidence[BRCA]
    grades = f"{(evidence == 'learned').sum()} learned, {(evidence == 'unstable').sum()} unstable"
    assert f"genes by evidence (Gradient × input, contrast): {grades}, " in answer.text
    row = next(line for line in lines if line.split()[:1] == [answer.table["gene"][0]])
    assert row.split()[2] == "1" and "learned" in row


def test_the_table_has_the_numbers_of_the_ranking_in_the_order_of_ranks(results):
    ranking = results.ranking(KEY)
    table = top_genes(results, ranking, BRCA, top=1000)
    assert len(table) == 36 and table["rank"].is_monotonic_increasing
    order = [int(gene.removeprefix("GENE")) for gene in table["gene"]]
    for name in ("score", "margin", "q_decoy", "q_value", "replication", "rank_low"):
        numbers = getattr(ranking, name)[BRCA, order]
        assert np.array_equal(table[name], numbers, equal_nan=True)
    assert np.array_equal(table["log2_fold_change"], results.log2_fold_change[BRCA, order])
    assert set(table["tumor"]) == {"BRCA"} and set(table["view"]) == {"contrast"}


def test_genes_without_rank_are_left_out(cohort, results):
    ranking = results.ranking(KEY)
    ranking.rank[BRCA, 5:] = np.nan
    assert len(top_genes(results, ranking, BRCA, top=20)) == 5
    ranking.rank[BRCA] = np.nan
    assert top_genes(results, ranking, BRCA, top=20).empty


def test_a_tumor_is_taken_for_others_most_samples_first(cohort, results):
    calls = cohort.tumor.copy()
    own = np.flatnonzero(cohort.tumor == BRCA)
    calls[own[:3]], calls[own[3]], calls[own[4]] = 3, 0, -1
    edited = with_calls(results, cohort, calls)
    table = taken_for_others(cohort, edited, BRCA)
    assert table["predicted"].tolist() == ["READ", "ACC"]
    assert table["samples"].tolist() == [3, 1]
    np.testing.assert_allclose(table["share"], [3 / 11, 1 / 11])
    assert describe_tumor(cohort, edited, BRCA) == [
        "BRCA: 11 patients, 11 samples explained for BRCA",
        "recall 0.636: the ensemble calls 63.6 % of them BRCA",
        "most often taken for READ 3 (27.3 %), ACC 1 (9.1 %)",
    ]
    assert describe_tumor(cohort, edited, 2)[2] == "taken for no other tumor"


def test_without_explained_samples_recall_is_unknown(cohort, results):
    edited = with_calls(results, cohort, np.where(cohort.tumor == BRCA, -1, cohort.tumor))
    lines = describe_tumor(cohort, edited, BRCA)
    assert "0 samples explained for BRCA" in lines[0]
    assert lines[1:] == ["recall is unknown: no sample was explained for it"]


@pytest.mark.parametrize("top", [0, -3])
def test_at_least_one_gene_is_wanted(cohort, results, top):
    with pytest.raises(ConfigError, match=f"--top is {top}; wanted 1 gene or more"):
        tumor_answer(cohort, results, KEY, BRCA, top=top)
