import dataclasses

import numpy as np
import pytest
from compared_runs import loosened
from made_up_run import finish_run
from scipy.stats import hypergeom

from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError, InputError, MissingError
from tumorcam.readers.gmt import read_gene_sets
from tumorcam.report.enrichment import (
    COLUMNS,
    EnrichmentOptions,
    annotation,
    plan_enrichment,
    tumor_enrichment,
    tumor_seed,
    tumor_sets,
)
from tumorcam.report.set_matching import match_sets
from tumorcam.significance.statistics import benjamini_hochberg
from tumorcam.storage.run_folder import RunFolder

SETS = {
    "DRIVERS": ["GENE00", "GENE01", "GENE02", "ELSEWHERE"],  # those of ACC
    "OTHERS": [f"GENE{i}" for i in range(20, 28)],
    "SPREAD": ["GENE02", "GENE12", "GENE22", "GENE32"],
    "SMALL": ["GENE30", "GENE31"],
}
OPTIONS = EnrichmentOptions(permutations=100, min_size=3)


@pytest.fixture
def config(tiny_run):
    return finish_run(loosened(tiny_run))


@pytest.fixture
def path(tmp_path):
    text = "".join("\t".join([name, "na", *genes]) + "\n" for name, genes in SETS.items())
    (tmp_path / "sets.gmt").write_text(text)
    return tmp_path / "sets.gmt"


def planned(config, path, options=OPTIONS):
    return plan_enrichment(config, read_cohort(RunFolder.of(config).cohort, config), path, options)


def test_the_numbers_of_learned_genes_are_those_of_the_tables(config, path):
    plan = planned(config, path)
    ranking = plan.results.ranking(plan.key)
    table = tumor_enrichment(plan, ranking, 0)
    assert tuple(table.columns) == COLUMNS and len(table) == 6
    over = table[table["kind"] == "over-representation"].set_index("set")
    assert over.index[0] == "DRIVERS" and "SMALL" not in over.index
    learned = set(plan.cohort.genes[ranking.evidence[0] == "learned"])
    assert {"GENE00", "GENE01", "GENE02"} <= learned
    for name, row in over.iterrows():
        own = [gene for gene in SETS[name] if gene in set(plan.cohort.genes)]
        hits = learned & set(own)
        assert (row["size"], row["file_size"]) == (len(own), len(SETS[name]))
        assert row["overlap"] == len(hits) and set(filter(None, row["genes"].split("; "))) == hits
        tail = hypergeom.sf(len(hits) - 1, 36, len(own), len(learned))
        assert row["p_value"] == pytest.approx(tail)
    np.testing.assert_allclose(over["fdr"], benjamini_hochberg(over["p_value"].to_numpy()))


def test_the_planted_set_comes_first_in_both_tests(config, path):
    plan = planned(config, path)
    table = tumor_enrichment(plan, plan.results.ranking(plan.key), 0)
    for kind in ("over-representation", "prerank"):
        row = table[table["kind"] == kind].iloc[0]
        assert row["set"] == "DRIVERS", kind
    assert row["nes"] > 1 and set(row["genes"].split("; ")) == {"GENE00", "GENE01", "GENE02"}


def test_results_are_the_same_twice_and_depend_on_the_seed(config, path):
    first, again = (
        tumor_enrichment(plan, plan.results.ranking(plan.key), 1)
        for plan in (planned(config, path), planned(config, path))
    )
    assert first.to_csv() == again.to_csv()
    plan = planned(config, path)
    assert tumor_seed(plan, "ACC") != tumor_seed(plan, "BRCA")
    other = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=9))
    assert tumor_seed(dataclasses.replace(plan, config=other), "ACC") != tumor_seed(plan, "ACC")


def test_the_background_is_what_can_be_tested(config, path):
    plan = planned(config, path)
    ranking = plan.results.ranking(plan.key)
    q_value = ranking.q_value.copy()
    q_value[0, [0, 5]] = np.nan
    is_entrapped = np.arange(36) == 21
    cohort = dataclasses.replace(plan.cohort, is_entrapped=is_entrapped)
    tested = tumor_sets(
        dataclasses.replace(plan, cohort=cohort), dataclasses.replace(ranking, q_value=q_value), 0
    )
    assert tested.background.tolist() == [i for i in range(36) if i not in (0, 5, 21)]
    assert [plan.matched.names[i] for i in tested.sets] == ["OTHERS", "SPREAD"]
    others = tested.background[tested.members[0]]
    assert others.tolist() == [20, 22, 23, 24, 25, 26, 27]


def test_a_tumor_without_testable_genes_has_no_row(config, path):
    plan = planned(config, path)
    ranking = plan.results.ranking(plan.key)
    q_value = ranking.q_value.copy()
    q_value[0] = np.nan
    table = tumor_enrichment(plan, dataclasses.replace(ranking, q_value=q_value), 0)
    assert tuple(table.columns) == COLUMNS and table.empty


def test_symbols_are_looked_up_in_the_annotation_of_the_run(config, path, tmp_path):
    """The sets have other names for the genes; a table that is gone is no obstacle."""
    names = tmp_path / "annotation.tsv"
    rows = "".join(f"GENE{i:02d}\tSYMBOL{i:02d}\n" for i in range(36))
    names.write_text(f"gene_id\tsymbol\n{rows}")
    path.write_text("A\tna\tSYMBOL00\tSYMBOL01\tSYMBOL02\n")
    layout = dataclasses.replace(config.layout, annotation=str(names))
    own = dataclasses.replace(config, layout=layout)
    cohort = read_cohort(RunFolder.of(config).cohort, config)
    matched = match_sets(read_gene_sets(path), cohort.genes, ~cohort.is_entrapped, annotation(own))
    assert matched.members[0].tolist() == [0, 1, 2]
    names.unlink()
    assert annotation(own) is None and annotation(config) is None


def test_sets_that_are_too_small_are_refused_with_advice(config, path):
    with pytest.raises(InputError, match=r"its sets have 2 to 8 genes of the run") as error:
        planned(config, path, dataclasses.replace(OPTIONS, min_size=20))
    assert "--min-size" in str(error.value)


@pytest.mark.parametrize(
    "options", [{"permutations": 10}, {"min_size": 0}, {"min_size": 9, "max_size": 8}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match="wanted"):
        EnrichmentOptions(**options)


def test_an_unfinished_run_and_a_ranking_that_was_not_computed_are_refused(config, path):
    with pytest.raises(ConfigError, match="smooth_grad/own was not computed"):
        planned(config, path, EnrichmentOptions(method="smooth_grad", view="own"))
    RunFolder.of(config).significance.unlink()
    with pytest.raises(MissingError, match="tumorcam reduce"):
        planned(config, path)
