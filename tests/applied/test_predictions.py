import numpy as np

from tumorcam.applied.predictions import judged_samples
from tumorcam.storage.plan import ShardKey


def test_a_network_judges_strangers_and_the_run_s_patients_that_it_held_out():
    fold = np.array([0, 1, 0, 1, 2, 0])
    is_own = np.array([True, True, False, False, True, True])
    assert judged_samples(ShardKey(0, 0, 0, 0, 6), fold, is_own).tolist() == [0, 2, 3, 5]
    assert judged_samples(ShardKey(0, 1, 0, 0, 6), fold, is_own).tolist() == [1, 2, 3]
    assert judged_samples(ShardKey(3, 2, 1, 2, 5), fold, is_own).tolist() == [2, 3, 4]
