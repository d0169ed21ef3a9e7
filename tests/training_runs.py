"""Trainings of the tiny run, whole or killed, and what they learned."""

import dataclasses

import h5py
import numpy as np
import tensorflow as tf

from tumorcam.cohort.cohort import read_cohort
from tumorcam.storage.plan import ModelKey, model_file
from tumorcam.training.batches import training_task
from tumorcam.training.loop import TrainingLoop, train_model
from tumorcam.training.network import new_network
from tumorcam.training.workers import Workers

WANTED = ModelKey(0, 1)


class Killed(BaseException):
    """As SIGKILL: no `except Exception` sees it."""


def with_training(config, **changes):
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))


def cohort_of(config):
    return read_cohort(config.folder / "cohort.h5", config)


def one_device():
    return Workers(tf.distribute.get_strategy())


def train(folder, config):
    """Train r00-f01 of the prepared run into a folder; the artifact's path."""
    train_model(folder, cohort_of(config), WANTED, config, one_device())
    return model_file(folder, WANTED)


def contents(path):
    """Every dataset of an artifact but the seconds, and the best and the kept epoch."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None
            )
        )
        found |= {name: file.attrs[name] for name in ("best_epoch", "kept_epoch")}
    del found["history/seconds"]
    return found


def assert_same_model(first, second):
    first, second = contents(first), contents(second)
    assert first.keys() == second.keys()
    for name, values in first.items():
        if np.asarray(values).dtype.kind == "f":
            np.testing.assert_allclose(values, second[name], rtol=0, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(values, second[name], err_msg=name)


def die_at(monkeypatch, step):
    """Let the training be killed instead of taking this step; the steps taken."""
    taken, take = [], TrainingLoop._take_step

    def take_or_die(self, data, wishes):
        if int(self.step) == step:
            raise Killed
        taken.append(int(self.step))
        return take(self, data, wishes)

    monkeypatch.setattr(TrainingLoop, "_take_step", take_or_die)
    return taken


def loop_of(config, folder):
    """An untrained loop with its network."""
    cohort = cohort_of(config)
    task = training_task(cohort, WANTED, config)
    rng = np.random.default_rng(0)
    network = new_network(config, task.layout, cohort.genes, len(cohort.tumors), rng)
    return TrainingLoop(config, task, network, one_device(), folder)
