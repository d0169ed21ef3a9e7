import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.images import Scaler
from tumorcam.faithfulness import deletion, perturbation
from tumorcam.faithfulness.deletion import ResponseBlock, choose_samples, make_blocks
from tumorcam.faithfulness.gene_sets import RANDOM_DRAWS, GeneSets, random_genes, t_statistics
from tumorcam.faithfulness.gene_sets import make_gene_sets as made_sets
from tumorcam.faithfulness.perturbation import TracedModel
from tumorcam.faithfulness.results import Responses
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import HeldOut
from tumorcam.training.network import Classifier, load_classifier


def cohort_of(config) -> Cohort:
    return read_cohort(config.folder / "cohort.h5", config)


def sets_of(cohort: Cohort) -> GeneSets:
    score = np.random.default_rng(3).normal(size=(len(cohort.tumors), len(cohort.genes)))
    return made_sets({"a": score, "b": -score}, t_statistics(cohort), cohort.variance)


def linear_model(cohort: Cohort, weights: np.ndarray) -> Classifier:
    """A network whose logits are a sum over pixels of weights (pixels, tumors)."""
    gene_layout, n_genes = cohort.layouts[0], len(cohort.genes)
    network = keras.Sequential(
        [
            keras.Input((gene_layout.side, gene_layout.side, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(len(cohort.tumors), use_bias=False),
        ]
    )
    network.set_weights([weights])
    rng = np.random.default_rng(4)
    scaler = Scaler(*rng.uniform(1, 5, (2, n_genes)).astype(np.float32))
    nothing = HeldOut(np.zeros(0, int), np.zeros((0, 4)))
    return Classifier(network, gene_layout, scaler, nothing, "")


def test_copies_by_hand():
    """Three genes and two decoys: these keep the sample's values, but where genes are inserted."""
    sample, donor = np.array([1, 2, 3, 4, 5], np.float32), np.array([7, 8, 9], np.float32)
    genes = [[np.array([1]), np.array([1, 2])], [np.array([0]), np.array([0, 1])]]
    copies = perturbation.changed_copies(sample, donor, genes)
    np.testing.assert_array_equal(
        copies,
        [
            [1, 2, 3, 4, 5], [0, 0, 0, 0, 0],
            [1, 0, 3, 4, 5], [1, 0, 0, 4, 5], [0, 2, 3, 4, 5], [0, 0, 3, 4, 5],
            [1, 8, 3, 4, 5], [1, 8, 9, 4, 5], [7, 2, 3, 4, 5], [7, 8, 3, 4, 5],
            [0, 2, 0, 0, 0], [0, 2, 3, 0, 0], [1, 0, 0, 0, 0], [1, 2, 0, 0, 0],
        ],
    )  # fmt: skip


@given(st.lists(st.integers(1, 9), max_size=6), st.integers(1, 8))
def test_batches_are_full_and_in_order(sizes, size):
    rows = np.arange(sum(sizes))[:, np.newaxis]
    parts = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
    batches = list(perturbation.full_batches(parts, size))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(len(batch) for batch in batches)
    np.testing.assert_array_equal(np.concatenate([rows[:0], *batches]), rows)


def test_a_linear_network_falls_by_what_is_taken_from_it(tiny_run):
    cohort = cohort_of(tiny_run)
    gene_layout, n_genes = cohort.layouts[0], len(cohort.genes)
    weights = np.random.default_rng(5).normal(size=(gene_layout.side**2, 4)).astype(np.float32)
    trained, sets = linear_model(cohort, weights), sets_of(cohort)
    rows = np.array([2, 3, 11, 30, 41])
    responses = perturbation.respond_block(
        cohort, ResponseBlock(ModelKey(0, 0), rows), TracedModel(trained), sets, tiny_run
    )
    (donor_rows, pixel) = (perturbation.donor_samples(cohort, rows, tiny_run), gene_layout.pixel)
    expression = cohort.expression().astype(float)
    for i, row in enumerate(rows):
        own = cohort.tumor[row]
        sample, donor = (
            (expression[one] - trained.scaler.mean) / trained.scaler.sd
            for one in (row, donor_rows[i])
        )
        others = weights[:, np.arange(4) != own].astype(float).mean(axis=1)
        of_own, of_margin = weights[:, own].astype(float), weights[:, own] - others
        random = random_genes(str(cohort.sample[row]), n_genes, tiny_run)
        chosen = [*sets.of_tumor(own), *([order[:k] for k in sets.sizes] for order in random)]
        for values, gene_weights in (
            (responses.logit, of_own[pixel]),
            (responses.margin, of_margin[pixel]),
        ):
            intact = values[i, 0]
            of_genes = sample @ gene_weights[:n_genes]  # decoys are at their mean, 0
            np.testing.assert_allclose(intact, of_genes, rtol=1e-4, atol=1e-3)
            assert values[i, 1] == 0, "blank"
            changed = values[i, 2:].reshape(3, len(chosen), len(sets.sizes))
            for s, of_set in enumerate(chosen):
                for k, genes in enumerate(of_set):
                    of_sample = (sample[genes] * gene_weights[genes]).sum()
                    of_donor = (donor[genes] * gene_weights[genes]).sum()
                    expected = [intact - of_sample, intact - of_sample + of_donor, of_sample]
                    np.testing.assert_allclose(changed[:, s, k], expected, rtol=1e-4, atol=1e-3)
        assert (
            responses.correct.shape == responses.margin.shape == (5, 2 + 3 * (5 + RANDOM_DRAWS) * 4)
        )
        high = responses.margin[i] > 0.001
        assert not (responses.correct[i] & (responses.margin[i] < -0.001)).any() and high.any()


def test_responses_of_logits_by_hand():
    logits = np.array([[[1, 2, 6], [0, 0, 0]], [[3, 1, 1], [1, 4, 1]]], dtype=np.float32)
    responses = Responses.of_logits(logits, np.array([2, 1]))
    np.testing.assert_array_equal(responses.logit, [[6, 0], [1, 4]])
    np.testing.assert_array_equal(responses.margin, [[4.5, 0], [-1, 3]])
    np.testing.assert_array_equal(responses.correct, [[True, False], [False, True]])


def test_donors_are_of_other_tumors_and_depend_on_the_sample_alone(tiny_run):
    cohort = cohort_of(tiny_run)
    rows = np.arange(len(cohort.tumor))
    donors = perturbation.donor_samples(cohort, rows, tiny_run)
    assert (cohort.tumor[donors] != cohort.tumor).all() and len(set(donors.tolist())) > 20
    again = perturbation.donor_samples(cohort, rows[::-1], tiny_run)[::-1]
    np.testing.assert_array_equal(again, donors)


def test_bits_do_not_depend_on_who_computes_which_blocks(trained_run, monkeypatch):
    monkeypatch.setattr(deletion, "BLOCK", 5)
    run, cohort = RunFolder.of(trained_run), cohort_of(trained_run)
    blocks = dict(enumerate(make_blocks(cohort.fold, np.arange(48), 1)))
    assert len(blocks) == 10
    sets = sets_of(cohort)

    def respond(numbers):
        some = {i: blocks[i] for i in numbers}
        return dict(perturbation.respond(run, cohort, some, sets, trained_run, visible=False))

    whole = respond(blocks)
    for number, response in (respond([7]) | respond([1, 9]) | respond([])).items():
        for name, values in vars(response).items():
            np.testing.assert_array_equal(values, getattr(whole[number], name))
    block, model = blocks[7], load_classifier(run, cohort, ModelKey(0, 1), trained_run)
    right = model.held_out.probability_of(block.rows).argmax(axis=1) == cohort.tumor[block.rows]
    np.testing.assert_array_equal(whole[7].correct[:, 0], right)


@pytest.mark.parametrize("at_most", [0, 3, 100])
def test_so_many_samples_of_each_tumor_are_chosen(tiny_run, at_most):
    cohort = cohort_of(tiny_run)
    config = tiny_run.__class__(
        **vars(tiny_run) | {"faithfulness": tiny_run.faithfulness.__class__(samples=at_most)}
    )
    chosen = choose_samples(cohort, config)
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(cohort.tumor[chosen]).tolist() == [3 if at_most == 3 else 12] * 4
    blocks = make_blocks(cohort.fold, chosen, 2)
    for replicate in range(2):
        rows = [b.rows for b in blocks if b.model.replicate == replicate]
        np.testing.assert_array_equal(np.sort(np.concatenate(rows)), chosen)
        assert all((cohort.fold[b.rows] == b.model.fold).all() for b in blocks)
