import numpy as np

from tumorcam.applied import run_reference as module
from tumorcam.applied.reference import is_reference_current
from tumorcam.applied.run_reference import run_reference
from tumorcam.cohort.cohort import read_cohort
from tumorcam.storage.run_folder import RunFolder


def test_a_reference_is_computed_once_and_anew_if_it_is_damaged(trained_copy, monkeypatch):
    run = RunFolder.of(trained_copy)
    cohort = read_cohort(run.cohort, trained_copy)
    computed, curve = [], module.missing_curve

    def count(*words):
        computed.append(words)
        return curve(*words)

    monkeypatch.setattr(module, "missing_curve", count)
    first = run_reference(run, cohort, trained_copy)
    assert is_reference_current(run, cohort, trained_copy) and len(computed) == 1
    second = run_reference(run, cohort, trained_copy)
    assert len(computed) == 1
    assert second.calibration.temperature == first.calibration.temperature
    np.testing.assert_array_equal(second.calibration.before, first.calibration.before)
    run.reference.write_bytes(run.reference.read_bytes()[:-100])
    third = run_reference(run, cohort, trained_copy)
    assert len(computed) == 2 and is_reference_current(run, cohort, trained_copy)
    assert third.calibration.temperature == first.calibration.temperature
