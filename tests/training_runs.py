"""Trainings of the tiny run, whole or killed, and what they learned."""

import dataclasses

import numpy as np
import tensorflow as tf

from tumorcam.cohort.cohort import read_cohort
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import TrainedModel, read_model
from tumorcam.training.batches import training_task
from tumorcam.training.loop import TrainingLoop, train_model
from tumorcam.training.network import new_network
from tumorcam.training.workers import Workers

KEY = ModelKey(0, 1)
NOT_LEARNED = {"digest", "history.seconds"}


class Killed(BaseException):
    """As SIGKILL: no `except Exception` catches it."""


def with_training(config, **changes):
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))


def cohort_of(config):
    return read_cohort(RunFolder.of(config).cohort, config)


def one_device():
    return Workers(tf.distribute.get_strategy())


def train(folder, config, key=KEY):
    """Train a model of the prepared run into a folder."""
    cohort = cohort_of(config)
    train_model(RunFolder(folder), cohort, key, config, one_device())
    return read_model(RunFolder(folder).model(key), config, cohort.digest, key.name)


def trained(config, key=KEY):
    """A model of a run, as its file has it."""
    return read_model(RunFolder.of(config).model(key), config, cohort_of(config).digest, key.name)


def flat_values(record):
    """Every value of a record by its dotted name."""
    values = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            inner = flat_values(value)
        elif isinstance(value, tuple):
            inner = {str(i): item for i, item in enumerate(value)}
        elif hasattr(value, "columns"):
            inner = {name: value[name].to_numpy() for name in value.columns}
        else:
            values[field.name] = value
            continue
        values |= {f"{field.name}.{name}": item for name, item in inner.items()}
    return values


def assert_same_model(first: TrainedModel, second: TrainedModel, atol=1e-6):
    """Equal in all but the seconds, and the digest, which depends on them."""
    first, second = flat_values(first), flat_values(second)
    assert first.keys() == second.keys()
    for name in first.keys() - NOT_LEARNED:
        if np.asarray(first[name]).dtype.kind == "f":
            np.testing.assert_allclose(first[name], second[name], rtol=0, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


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
    task = training_task(cohort, KEY, config)
    rng = np.random.default_rng(0)
    network = new_network(config, task.layout, cohort.genes, len(cohort.tumors), rng)
    return TrainingLoop(config, task, network, one_device(), folder)
