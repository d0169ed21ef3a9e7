from pathlib import Path

import pytest
from edited_files import set_attributes
from stub_run import expected, flip_bit, plan_of, write_stubs

from tumorcam.operations import audit
from tumorcam.operations.audit import BROKEN, MISSING, WHOLE
from tumorcam.settings.config import Config, config_from_tables, config_tables
from tumorcam.storage.run_folder import RunFolder

N_MODELS = 4  # of the tiny run: 2 replicates x 2 folds


def states_of(states):
    return [state.state for state in states]


def only_faulty(states):
    faulty = [state for state in states if state.state != WHOLE]
    assert len(faulty) == 1, [state.fault for state in faulty]
    return faulty[0]


def file_of(config: Config, name: str) -> Path:
    (path,) = [file.path for file in expected(config) if str(file.path).endswith(name)]
    return path


def changed(config: Config, section: str, **values) -> Config:
    tables = config_tables(config)
    tables[section] |= values
    return config_from_tables(tables, source="test")


@pytest.fixture
def finished(tiny_run):
    write_stubs(tiny_run)
    return tiny_run


def test_a_finished_run_is_whole(finished):
    for deep in (False, True):
        assert set(states_of(audit.audit_run(finished, deep=deep))) == {WHOLE}
    n = audit.count_states(audit.audit_run(finished))
    assert n["cohort"][WHOLE] == 3, "and the plan and the settings"
    assert n["models"][WHOLE] == N_MODELS + 1, "and the baselines"
    assert n["shards"][WHOLE] == len(plan_of(finished).shards)


def test_the_models_stand_in_the_order_of_the_train_tasks(tiny_run):
    models = [file.path for file in expected(tiny_run) if file.stage == "models"]
    names = [path.parent.name if path.stem == "model" else path.stem for path in models]
    assert names == plan_of(tiny_run).train_tasks


def test_a_prepared_run_lacks_all_but_the_cohort(tiny_run):
    states = audit.audit_run(tiny_run)
    assert states_of(states) == [*[WHOLE] * 3, *[MISSING] * (len(states) - 3)]
    gaps = ["models", "shards", "significance", "faithfulness", "report"]
    assert audit.incomplete_stages(states) == gaps


def test_without_a_plan_the_files_of_prepare_are_missing(tiny_config):
    states = audit.audit_run(tiny_config)
    assert [state.state for state in states] == [MISSING, MISSING]
    assert all("run `tumorcam prepare`" in state.fault for state in states)
    assert audit.incomplete_stages(states)[0] == "cohort"


def test_a_damaged_plan_leaves_the_cohort_whole(finished):
    RunFolder.of(finished).plan.write_text("{", encoding="utf-8")
    cohort, plan = audit.audit_run(finished)
    assert cohort.state == WHOLE
    assert plan.state == BROKEN and "plan.json" in plan.fault


def test_checks_by_another_list_of_markers_or_other_drivers_are_stale(finished, tmp_path):
    markers = tmp_path / "markers.gmt"
    markers.write_text("ACC\t\tGENE0001\n", encoding="utf-8")
    config = changed(finished, "faithfulness", markers=str(markers))
    write_stubs(config)
    assert set(states_of(audit.audit_run(config))) == {WHOLE}
    markers.write_text("ACC\t\tGENE0002\n", encoding="utf-8")
    assert "markers_digest" in only_faulty(audit.audit_run(config)).fault
    write_stubs(finished)
    truth = RunFolder.of(finished).input.truth
    truth.parent.mkdir(exist_ok=True)
    truth.write_text("tumor,gene,effect\n", encoding="utf-8")
    assert "truth_digest" in only_faulty(audit.audit_run(finished)).fault


def spoil_attribute(name, value):
    def spoil(path):
        set_attributes(path, **{name: value})

    return spoil


SHARD = "shards/r01-f00-b0001.h5"


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        (SHARD, lambda path: path.unlink(), f"{SHARD} does not exist; run `tumorcam explain`"),
        (SHARD, lambda path: path.write_bytes(b""), "is damaged: its header is not one"),
        (SHARD, lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: it has"),
        (SHARD, lambda path: path.unlink() or path.mkdir(), "is a folder; wanted a regular file"),
        (SHARD, spoil_attribute("cohort_digest", "other"), "made from another cohort.h5 than"),
        (SHARD, spoil_attribute("model_digest", "other"), "made from another model.h5 than"),
        (SHARD, spoil_attribute("shard", "r00-f00-b0000"), "its shard is 'r00-f00-b0000', wanted"),
        (SHARD, spoil_attribute("n_samples", 1), "its n_samples is 1, wanted"),
        (SHARD, spoil_attribute("n_columns", 7), "its n_columns is 7, wanted"),
        ("r00-f01/model.h5", spoil_attribute("model", "r00-f00"), "its model is 'r00-f00', wanted"),
        ("baselines.h5", spoil_attribute("cohort_digest", ""), "run `tumorcam train`"),
        ("significance.h5", spoil_attribute("cohort_digest", "x"), "run `tumorcam reduce`"),
        ("saliency.h5", spoil_attribute("encoding-type", "x"), "wanted 'tumorcam-saliency'"),
        ("faithfulness.h5", spoil_attribute("view", "own"), "its view is 'own', wanted 'contrast'"),
        ("faithfulness.h5", spoil_attribute("significance_digest", "x"), "run `tumorcam faithf"),
        ("index.html", lambda path: path.write_text(""), "it has 0 bytes, and had 9; run `tumorc"),
        ("files.json", lambda path: path.write_text("{}"), "is damaged: it is no JSON with a dig"),
    ],
)  # fmt: skip
def test_one_fault_is_detected_and_named(finished, name, spoil, words):
    spoil(file_of(finished, name))
    state = only_faulty(audit.audit_run(finished))
    assert str(state.file.path).endswith(name)
    assert words in state.fault and state.fault.count(str(state.file.path)) == 1


def test_only_a_deep_look_sees_a_flipped_bit(finished):
    flip_bit(file_of(finished, SHARD))
    assert set(states_of(audit.audit_run(finished))) == {WHOLE}
    assert "damaged" in only_faulty(audit.audit_run(finished, deep=True)).fault


def test_a_retrained_model_breaks_its_shards_alone(finished):
    model = file_of(finished, "r00-f01/model.h5")
    spoil_attribute("digest", "retrained")(model)
    broken = [s.file.path.name for s in audit.audit_run(finished) if s.state == BROKEN]
    assert broken and all(name.startswith("r00-f01-") for name in broken)


def test_tables_of_other_shards_are_stale(finished):
    shard = file_of(finished, SHARD)
    spoil_attribute("digest", "explained anew")(shard)
    broken = {s.file.path.name: s.fault for s in audit.audit_run(finished) if s.state == BROKEN}
    assert sorted(broken) == ["saliency.h5", "significance.h5"]
    assert f"it was made from other shards than those in {shard.parent}" in broken["saliency.h5"]
    shard.unlink()
    assert only_faulty(audit.audit_run(finished)).state == MISSING, "it may come back as it was"


def test_a_new_cohort_breaks_everything_made_from_the_old(finished):
    spoil_attribute("digest", "new")(finished.folder / "cohort.h5")
    n = audit.count_states(audit.audit_run(finished))
    assert n["cohort"][BROKEN] == 1, "the plan is of the old one too"
    assert n["models"] == {WHOLE: 0, MISSING: 0, BROKEN: N_MODELS + 1}
    assert n["shards"][WHOLE] == 0


def test_other_settings_break_what_depends_on_them(finished):
    config = changed(finished, "training", epochs=9)
    states = audit.audit_run(config)
    n = audit.count_states(states)
    assert n["models"] == {WHOLE: 1, MISSING: 0, BROKEN: N_MODELS}
    assert n["shards"][WHOLE] == n["significance"][WHOLE] == n["report"][WHOLE] - 3 == 0
    assert "training.epochs: 2 -> 9" in next(s.fault for s in states if s.state == BROKEN)
    moved = changed(finished, "run", name="another name", threads_per_rank=8)
    assert set(states_of(audit.audit_run(moved))) == {WHOLE}


def test_a_report_of_other_tables_is_stale(finished):
    spoil_attribute("digest", "examined anew")(file_of(finished, "faithfulness.h5"))
    state = only_faulty(audit.audit_run(finished))
    assert state.file.path.name == "files.json" and state.is_stale
    assert "made from another faithfulness.h5" in state.fault


def test_a_report_with_other_settings_is_stale(finished):
    state = only_faulty(audit.audit_run(changed(finished, "report", top=7)))
    assert state.file.path.name == "files.json" and state.is_stale
    assert "report.top: 20 -> 7" in state.fault


def test_a_partial_report_lacks_its_list(finished):
    (finished.folder / "report" / "files.json").unlink()
    state = only_faulty(audit.audit_run(finished))
    assert state.state == MISSING and state.file.stage == "report"


def test_a_damaged_plan_is_told_from_a_damaged_cohort(finished):
    plan, cohort = finished.folder / "plan.json", finished.folder / "cohort.h5"
    sound = plan.read_bytes()
    for old, new in ((b'"fold": 1', b'"fold": 0'), (b'"nulls": 0', b'"nulls": 8'), (b"{", b"[")):
        assert old in sound
        plan.write_bytes(sound.replace(old, new, 1))
        assert only_faulty(audit.audit_run(finished, deep=True)).file.path == plan
    plan.unlink()
    assert only_faulty(audit.audit_run(finished, deep=True)).state == MISSING
    plan.write_bytes(sound)
    flip_bit(cohort)
    assert only_faulty(audit.audit_run(finished, deep=True)).file.path == cohort
