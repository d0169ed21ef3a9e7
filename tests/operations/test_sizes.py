"""The sizes of a run, from its cohort, its settings or the user."""

from tumorcam.operations.sizes import sizes_of, sizes_of_config
from tumorcam.settings.config import config_from_tables


def config(**tables):
    return config_from_tables(tables, source="test")


def test_a_synthetic_cohort_tells_its_sizes():
    made_up = {"tumors": ["A", "B", "C"], "samples_per_tumor": 7, "genes": 50}
    sizes = sizes_of_config(config(synthesize=made_up, layout={"decoys": "0.5", "spacing": 2}))
    assert (sizes.n_samples, sizes.n_tumors, sizes.n_input_genes) == (21, 3, 50)
    assert (sizes.n_genes, sizes.n_decoys) == (49, 25), "the largest square, and half of it"
    assert sizes.n_columns == 49 + 2 * 25
    assert sizes.side(config(layout={"spacing": 2})) == 18


def test_what_the_user_names_counts_first(tiny_run):
    assert sizes_of(tiny_run).n_samples == 48, "of cohort.h5"
    assert sizes_of(tiny_run).source == "as in cohort.h5"
    sizes = sizes_of(tiny_run, 1000, 33, 400)
    assert (sizes.n_samples, sizes.n_tumors, sizes.n_genes) == (1000, 33, 400)
    assert sizes.n_decoys == 200 and "1,000 samples of 33 tumors, 400 genes" in sizes.text


def test_files_that_nobody_has_read_tell_no_size(tiny_config):
    assert sizes_of(tiny_config) is None
    assert sizes_of(tiny_config, samples=100).n_input_genes == 20_000


def test_named_decoys_are_counted():
    assert sizes_of_config(config(layout={"decoy_genes": ["A", "B"]})).n_decoys == 2
