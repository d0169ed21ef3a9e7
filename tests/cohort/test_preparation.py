"""From a selection to a cohort: folds, decoys and layouts of each kind."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from arrays import selection_of, values_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from jobs import prepare
from tumorcam.cohort.cohort import read_cohort, write_cohort
from tumorcam.cohort.layout import (
    chromosome_layout,
    coexpression_layout,
    coexpression_tree,
    random_layout,
    spread_out,
    variance_layout,
)
from tumorcam.cohort.preparation import make_layouts, permuted_genes, prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.cohort.splits import patient_folds
from tumorcam.errors import CohortError, InputError
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import StoredValues


@pytest.fixture
def selection(tiny_cohort) -> Selection:
    variance = tiny_cohort.log2.var(axis=0, dtype=np.float64)
    return selection_of(tiny_cohort.log2, tiny_cohort.samples, tiny_cohort.genes, variance)


def with_layout(config, **changes):
    return dataclasses.replace(config, layout=dataclasses.replace(config.layout, **changes))


def with_folds(config, n_folds):
    return dataclasses.replace(config, splits=dataclasses.replace(config.splits, folds=n_folds))


def test_samples_and_genes_are_those_of_the_selection(selection, tiny_config):
    content = prepare_cohort(selection, tiny_config)
    assert content.expression is selection.expression, "the largest array is not copied"
    for column in selection.samples:
        assert getattr(content.samples, column).tolist() == selection.samples[column].tolist()
    assert content.tumors[content.samples.tumor_index].tolist() == content.samples.tumor.tolist()
    expected = patient_folds(
        content.samples.patient,
        content.samples.tumor_index,
        n_folds=2,
        rng=tiny_config.rng("folds"),
    )
    np.testing.assert_array_equal(content.samples.fold, expected)
    assert content.genes.name.tolist() == selection.genes.tolist()
    assert not content.genes.is_entrapped.any() and content.dropped is selection.dropped


def test_a_share_of_the_genes_is_entrapped(selection, tiny_config):
    """Permuted over all samples and named so; all else is as without, decoys included."""
    asked = dataclasses.replace(tiny_config.cohort, entrapment=0.25)
    content = prepare_cohort(selection, dataclasses.replace(tiny_config, cohort=asked))
    entrapped = content.genes.is_entrapped
    assert entrapped.sum() == 9 and content.expression is not selection.expression
    names = zip(selection.genes[entrapped], content.genes.name[entrapped], strict=True)
    assert all(new == f"{old} (permuted)" for old, new in names)
    assert content.genes.name[~entrapped].tolist() == selection.genes[~entrapped].tolist()
    old, new = values_of(selection.expression), values_of(content.expression)
    changed = (new != old).any(axis=0)
    np.testing.assert_array_equal(changed, entrapped)
    before, after = old[:, entrapped], new[:, entrapped]
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    order = [np.argsort(column, kind="stable").tolist() for column in after.T]
    assert len({tuple(one) for one in order}) == 9, "each gene has a permutation of its own"
    plain = prepare_cohort(selection, tiny_config)
    np.testing.assert_array_equal(content.layouts.pixel, plain.layouts.pixel)
    np.testing.assert_array_equal(content.genes.variance, plain.genes.variance)


def test_decoys_have_the_values_of_their_gene_permuted_over_all_samples(selection, tiny_config):
    content = prepare_cohort(selection, tiny_config)
    gene, fold = content.layouts.decoy_gene, content.samples.fold
    old, new = values_of(selection.expression), values_of(content.decoy_expression)
    expected = permuted_genes(selection.expression, gene, tiny_config.rng("decoy permutations"))
    np.testing.assert_array_equal(new, values_of(expected))
    from_its_fold = []
    for decoy, column in enumerate(new.T):
        values = old[:, gene[decoy]]
        assert sorted(column) == sorted(values)
        from_its_fold += [np.isin(column[fold == f], values[fold == f]).mean() for f in (0, 1)]
    assert 0.4 < np.mean(from_its_fold) < 0.6, "half of the samples of a fold have such a value"


@given(st.integers(0, 10**6))
def test_a_permuted_column_follows_neither_its_gene_nor_another_decoy(seed):
    """Six standard errors; two decoys of the same gene are permuted anew too."""
    rng = np.random.default_rng(seed)
    expression = rng.normal(5, 2, (200, 6)).astype(np.float32)
    stored = StoredValues.of(expression.T)
    permuted = values_of(permuted_genes(stored, np.array([0, 0, 2, 3, 5]), rng))
    correlation = np.corrcoef(np.hstack([expression, permuted]).T)[6:]
    np.fill_diagonal(correlation[:, 6:], 0)
    assert np.abs(correlation).max() < 6 / 200**0.5


def test_every_permutation_of_a_column_is_drawn_alike():
    """Of 3 samples: chi-square of 6,000 draws over the 6 permutations, p > 1e-6."""
    expression = np.arange(3, dtype=np.float32)[:, np.newaxis]
    stored = StoredValues.of(expression.T)
    permuted = values_of(permuted_genes(stored, np.zeros(6000, int), np.random.default_rng(0)))
    _, counts = np.unique(permuted, axis=1, return_counts=True)
    assert len(counts) == 6 and chisquare(counts).pvalue > 1e-6


def test_decoys_do_not_depend_on_the_number_of_layouts(selection, tiny_config):
    one, more = (prepare_cohort(selection, with_layout(tiny_config, replicates=n)) for n in (1, 3))
    np.testing.assert_array_equal(values_of(one.decoy_expression), values_of(more.decoy_expression))


def test_all_gives_every_gene_a_decoy(selection, tiny_config):
    content = prepare_cohort(selection, with_layout(tiny_config, decoys="all"))
    np.testing.assert_array_equal(content.layouts.decoy_gene, np.arange(36))
    assert content.decoy_expression.shape == (36, 48)
    assert content.layouts.pixel.shape == (2, 2, 72)
    np.testing.assert_array_equal(
        np.sort(values_of(content.decoy_expression), axis=0),
        np.sort(values_of(selection.expression), axis=0),
    )


@pytest.mark.parametrize("kind", ["random", "variance", "chromosome", "coexpression"])
@pytest.mark.parametrize("spacing", [1, 2])
def test_each_kind_has_its_function(selection, tiny_config, tmp_path, kind, spacing):
    order = np.arange(36)[::-1]
    annotation = tmp_path / "genes.tsv"
    rows = [f"{gene}\t1\t{1000 - i}" for i, gene in enumerate(selection.genes)]
    annotation.write_text("\n".join(["gene\tchr\tstart", *rows]) + "\n")
    config = with_layout(tiny_config, kind=kind, annotation=str(annotation), spacing=spacing)
    decoy_gene = np.array([3, 7, 30], np.int32)
    layouts = make_layouts(selection, decoy_gene, config)
    tree = coexpression_tree(selection.expression)
    networks = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for network, layout in zip(networks, layouts, strict=True):
        rng = config.rng("layout", *network)
        expected = {
            "random": lambda rng=rng: random_layout(36, decoy_gene, rng),
            "variance": lambda rng=rng: variance_layout(selection.variance, decoy_gene, rng),
            "chromosome": lambda rng=rng: chromosome_layout(order, decoy_gene, rng),
            "coexpression": lambda rng=rng: coexpression_layout(tree, decoy_gene, rng),
        }[kind]()
        np.testing.assert_array_equal(layout.pixel, spread_out(expected, spacing).pixel)


def test_an_unknown_decoy_gene_is_refused(selection, tiny_config):
    config = with_layout(tiny_config, decoy_genes=("GENE01", "TP53"))
    with pytest.raises(CohortError, match=r"1 genes that the cohort did not keep \(first: TP53\)"):
        prepare_cohort(selection, config)


def test_too_many_folds_are_refused(selection, tiny_config):
    with pytest.raises(CohortError, match="too few patients for the 13 folds"):
        prepare_cohort(selection, with_folds(tiny_config, 13))


def test_a_missing_annotation_is_refused(selection, tiny_config):
    config = with_layout(tiny_config, kind="chromosome", annotation="none.tsv")
    with pytest.raises(InputError, match=r"none\.tsv is no file"):
        prepare_cohort(selection, config)


def test_200_folds_are_stored_and_read_as_they_are(tiny_config, tmp_path):
    """In one byte, fold 128 would become -128."""
    rng = np.random.default_rng(0)
    names = np.array([f"S{i:03d}" for i in range(400)])
    samples = pd.DataFrame({"sample": names, "patient": names, "tumor": np.repeat(["A", "B"], 200)})
    samples["sample_type"], samples["source"] = "01", ""
    expression = rng.normal(size=(400, 4)).astype(np.float32)
    selection = selection_of(expression, samples, names[:4], np.ones(4))
    config = with_folds(tiny_config, 200)
    path = tmp_path / "cohort.h5"
    write_cohort(path, prepare_cohort(selection, config), config, "")
    cohort = read_cohort(path, config)
    assert cohort.n_folds == 200
    assert np.bincount(cohort.fold).tolist() == [2] * 200


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_prepare_refuses_tumors_with_the_same_file_name(
    tiny_config, tiny_files, tiny_toml, capsys, dry
):
    _, samples = tiny_files
    labels = samples.read_text().replace("\tACC\t", "\tER+\t").replace("\tBRCA\t", "\tER-\t")
    samples.write_text(labels)
    assert prepare.main([tiny_toml, *dry]) == 1
    printed = capsys.readouterr().err
    assert "tumors 'ER+' and 'ER-' give the file name 'ER'" in printed
    assert "rename a tumor in the samples table" in printed
    run = RunFolder.of(tiny_config)
    assert not run.cohort.exists() and not run.plan.exists() and not run.config.exists()
