"""What becomes of a matrix of new samples, read as a user's file."""

import numpy as np
import pytest
import training_runs
from applied_runs import (
    cohort_of,
    folder_of,
    new_table,
    own_table,
    prepare_new,
    settings_of,
    write_labels,
    write_matrix,
)

from tumorcam.applied.new_cohort import read_new_samples
from tumorcam.storage.run_folder import RunFolder


@pytest.fixture(scope="module")
def run(host_run):
    return host_run


def prepared(run, name, table, tmp_path, *words):
    path = write_matrix(table, tmp_path / f"{name}.tsv")
    assert prepare_new(run, path, *words, name=name) == 0
    return cohort_of(run, name), read_new_samples(RunFolder.of(settings_of(run, name)).cohort)


def test_genes_are_the_run_s_in_its_order_and_samples_sorted(run, tmp_path):
    table = new_table().sample(frac=1, random_state=0)[["S03", "S00", "S01", "S02"]]
    cohort, new = prepared(run, "order", table, tmp_path)
    assert cohort.sample.tolist() == ["S00", "S01", "S02", "S03"]
    expected = table.loc[cohort.genes, cohort.sample].to_numpy().T
    np.testing.assert_allclose(cohort.expression(), expected, atol=1e-5)
    assert new.n_missing.tolist() == [0, 0, 0, 0] and not new.is_own.any()
    trained = training_runs.cohort_of(run)
    for mine, theirs in zip(cohort.layouts, trained.layouts, strict=True):
        np.testing.assert_array_equal(mine.pixel, theirs.pixel)
    assert cohort.tumors.tolist() == trained.tumors.tolist()


def test_missing_genes_and_values_get_the_training_mean_and_are_counted(run, tmp_path):
    table = new_table().drop(index=["GENE05", "GENE30"])
    table.loc["GENE07", "S02"] = np.nan
    cohort, new = prepared(run, "lacking", table, tmp_path)
    mean = training_runs.cohort_of(run).expression().mean(axis=0)
    expression = cohort.expression()
    np.testing.assert_allclose(expression[:, 5], mean[5], rtol=1e-5)
    assert expression[2, 7] == pytest.approx(mean[7], rel=1e-5)
    assert expression[3, 7] == pytest.approx(table.loc["GENE07", "S03"], abs=1e-5)
    assert new.n_missing.tolist() == [2, 2, 3, *[2] * 21]
    rows = new.genes.set_index("gene")
    assert rows["row"][["GENE05", "GENE06"]].tolist() == ["", "GENE06"]
    assert rows["missing"][["GENE05", "GENE06", "GENE07"]].tolist() == [1, 0, pytest.approx(1 / 24)]
    there = table.loc["GENE07"].dropna()
    assert rows["mean"]["GENE07"] == pytest.approx(there.mean(), abs=1e-4)


def test_too_few_genes_are_refused_with_what_to_do(run, tmp_path, capsys):
    table = new_table().iloc[:28]  # 8 of 36 are missing: 22 %
    path = write_matrix(table, tmp_path / "few.tsv")
    assert prepare_new(run, path, name="few") == 1
    said = capsys.readouterr().err
    assert "has 28 of the 36 genes of the run (78%), wanted at least 80%" in said
    assert "input.gene_table" in said and "apply.max_missing" in said
    assert prepare_new(run, path, "--set", "apply.max_missing=0.3", name="few") == 0


def test_a_sample_that_lacks_too_many_genes_is_refused_or_left_out(run, tmp_path, capsys):
    table = new_table()
    table.loc[table.index[:9], "S04"] = np.nan
    path = write_matrix(table, tmp_path / "hole.tsv")
    assert prepare_new(run, path, name="hole") == 1
    said = capsys.readouterr().err
    assert "S04 (lacks 9 of the 36 genes of the run)" in said
    rule = "cohort.bad_values=drop_samples"
    assert prepare_new(run, path, "--set", rule, name="hole") == 0
    cohort = cohort_of(run, "hole")
    assert "S04" not in cohort.sample and len(cohort.sample) == 23
    assert cohort.dropped["name"].tolist() == ["S04"]


def test_samples_that_all_lack_too_many_genes_are_refused_with_figures(run, tmp_path, capsys):
    table = new_table().iloc[:, :3]
    table.iloc[:9] = np.nan
    rule = ["--set", "cohort.bad_values=drop_samples"]
    assert prepare_new(run, write_matrix(table, tmp_path / "m.tsv"), *rule, name="none") == 1
    assert "all 3 samples (S00, S01, S02) lack more than 20% of the run's 36 genes, at least 9" in (
        capsys.readouterr().err
    )


def test_a_negative_value_is_repaired_in_its_own_sample_alone(run, tmp_path):
    """In a small batch one bad value is a large share of a gene's values."""
    table = new_table().iloc[:, :4]
    table.loc["GENE03", "S01"] = -0.2
    cohort, new = prepared(run, "bad", table, tmp_path, "--set", "cohort.bad_values=drop")
    assert cohort.expression()[1, 3] == 0 and not new.n_missing.any()
    assert cohort.expression()[2, 3] == pytest.approx(table.loc["GENE03", "S02"], abs=1e-5)


def test_a_target_that_the_run_does_not_have_is_refused_at_once(run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(run, path, "--set", "apply.target=UVM", name="target") == 1
    assert "wanted called, label, or a tumor of the run: ACC, BRCA" in capsys.readouterr().err


def test_another_target_needs_another_name(run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(run, path, name="first") == 0
    assert prepare_new(run, path, "--set", "apply.target=READ", name="first") == 1
    said = capsys.readouterr().err
    assert "apply.target: 'called' -> 'READ'" in said and "choose another --name" in said
    assert prepare_new(run, path, "--set", "apply.target=READ", name="second") == 0


def test_a_table_without_the_run_s_genes_is_not_blamed_on_samples_alone(run, tmp_path, capsys):
    table = new_table().set_axis([f"OTHER{i}" for i in range(36)])
    assert prepare_new(run, write_matrix(table, tmp_path / "m.tsv"), name="strange") == 1
    said = capsys.readouterr().err
    assert "none of the run's genes (GENE00, GENE01, GENE02 and 33 more) was recognised" in said


def test_two_files_of_unlabelled_samples_are_joined(run, tmp_path):
    table = new_table()
    first = write_matrix(table.iloc[:, :10], tmp_path / "a.tsv")
    second = write_matrix(table.iloc[:, 10:], tmp_path / "b.tsv")
    assert prepare_new(run, first, second, name="joined") == 0
    cohort = cohort_of(run, "joined")
    np.testing.assert_allclose(cohort.expression(), table.to_numpy().T, atol=1e-5)


def test_labels_are_read_where_there_are_some_and_need_not_be_the_run_s(run, tmp_path):
    labels = write_labels(tmp_path / "s.tsv", ["S01", "S00", "S02"], ["BRCA", "ACC", "SKCM"])
    cohort, new = prepared(run, "labels", new_table(), tmp_path, labels)
    assert new.label.tolist() == ["ACC", "BRCA", "SKCM", *[""] * 21]
    assert cohort.tumor.tolist() == [0, 1, -1, *[-1] * 21]


def test_own_patients_are_told_by_id_and_by_their_very_values(run, tmp_path):
    trained = training_runs.cohort_of(run)
    cohort, new = prepared(run, "own", own_table(), tmp_path)
    rows = np.searchsorted(trained.sample, cohort.sample)
    assert new.is_own.all() and cohort.fold.tolist() == trained.fold[rows].tolist()
    renamed = own_table().set_axis([f"X{i}" for i in range(8)], axis=1)
    cohort, new = prepared(run, "renamed", renamed, tmp_path)
    assert new.is_own.all() and cohort.patient.tolist() == trained.patient[:8].tolist()
    assert cohort.fold.tolist() == trained.fold[:8].tolist()
    assert "8 samples have other IDs" in cohort.facts["text"].tolist()


def test_a_stranger_s_fold_depends_on_no_other_sample(run, tmp_path):
    every, _ = prepared(run, "every", new_table(), tmp_path)
    some, _ = prepared(run, "some", new_table()[["S05", "S11", "S17"]], tmp_path)
    rows = np.searchsorted(every.sample, some.sample)
    assert some.fold.tolist() == every.fold[rows].tolist()
    np.testing.assert_array_equal(some.expression(), every.expression(rows))
    assert set(every.fold) == {0, 1}


def test_counts_are_divided_by_the_sums_over_all_genes_of_the_file(run, tmp_path):
    linear = np.round(np.exp2(new_table()) - 1)
    linear.loc["OTHER"] = 100_000 - linear.sum()  # the rest of each sample's reads
    path = write_matrix(linear.astype(int), tmp_path / "counts.tsv")
    assert prepare_new(run, path, "--set", "input.scale=counts", name="counts") == 0
    cohort = cohort_of(run, "counts")
    expected = np.log2(linear.loc[cohort.genes, cohort.sample] / 100_000 * 1e6 + 1).to_numpy().T
    np.testing.assert_allclose(cohort.expression(), expected, atol=1e-4)


def test_the_wrong_scale_is_refused_as_in_prepare(run, tmp_path, capsys):
    path = write_matrix(np.exp2(new_table()) - 1, tmp_path / "linear.tsv")
    assert prepare_new(run, path, name="linear") == 1
    assert "input.scale" in capsys.readouterr().err


@pytest.mark.parametrize("align", ["location_scale", "quantile"])
def test_alignment_undoes_a_shift_of_all_values(run, tmp_path, align):
    table = new_table()
    plain, _ = prepared(run, f"plain-{align}", table, tmp_path)
    moved, _ = prepared(run, align, table + 2, tmp_path, "--set", f"apply.align={align}")
    off = np.abs(moved.expression() - plain.expression()).mean()
    assert off < 0.5 < 2  # without alignment it is 2


def test_few_samples_cannot_be_aligned_by_their_own_mean(run, tmp_path, capsys):
    path = write_matrix(new_table().iloc[:, :5], tmp_path / "five.tsv")
    assert prepare_new(run, path, "--set", "apply.align=location_scale", name="five") == 1
    assert "needs at least 10 samples, there are 5" in capsys.readouterr().err


def test_what_the_networks_fix_cannot_be_set(run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(run, path, "--set", "training.epochs=3", name="fixed") == 1
    assert "--set training.epochs: the networks are those of" in capsys.readouterr().err


def test_other_samples_under_the_same_name_are_refused_and_the_same_are_kept(run, tmp_path, capsys):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    assert prepare_new(run, path, name="twice") == 0
    cohort = RunFolder.of(settings_of(run, "twice")).cohort
    before = cohort.stat().st_mtime_ns
    assert prepare_new(run, path, name="twice") == 0
    assert cohort.stat().st_mtime_ns == before
    other = write_matrix(new_table(seed=2), tmp_path / "other.tsv")
    assert prepare_new(run, other, name="twice") == 1
    said = capsys.readouterr().err
    assert folder_of(run, "twice") in said and "choose another --name" in said
    assert cohort.stat().st_mtime_ns == before
