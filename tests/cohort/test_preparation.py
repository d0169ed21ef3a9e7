"""From a selection to a cohort: folds, decoys and layouts of each kind."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

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
from tumorcam.cohort.preparation import make_layouts, prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.cohort.splits import patient_folds
from tumorcam.errors import CohortError, InputError
from tumorcam.storage.run_folder import RunFolder

NO_DROPS = pd.DataFrame({"kind": [], "name": [], "reason": []}, dtype=str)


@pytest.fixture
def selection(tiny_cohort) -> Selection:
    variance = tiny_cohort.log2.var(axis=0, dtype=np.float64)
    return Selection(tiny_cohort.log2, tiny_cohort.samples, tiny_cohort.genes, variance, NO_DROPS)


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
    assert content.genes.name is selection.genes and content.dropped is selection.dropped


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
    for replicate, layout in enumerate(layouts):
        rng = config.rng("layout", replicate)
        expected = {
            "random": lambda rng=rng: random_layout(36, decoy_gene, rng),
            "variance": lambda rng=rng: variance_layout(selection.variance, decoy_gene, rng),
            "chromosome": lambda rng=rng: chromosome_layout(order, decoy_gene, rng),
            "coexpression": lambda rng=rng: coexpression_layout(tree, decoy_gene, rng),
        }[kind]()
        np.testing.assert_array_equal(layout.pixel, spread_out(expected, spacing).pixel)
    assert len(layouts) == 2


def test_an_unknown_decoy_gene_is_refused(selection, tiny_config):
    config = with_layout(tiny_config, decoy_genes=("GENE01", "TP53"))
    with pytest.raises(CohortError, match=r"1 genes that the cohort did not keep \(first: TP53\)"):
        prepare_cohort(selection, config)


def test_too_many_folds_are_refused(selection, tiny_config):
    with pytest.raises(CohortError, match="fewer than the 13 folds"):
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
    selection = Selection(expression, samples, names[:4], np.ones(4), NO_DROPS)
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
