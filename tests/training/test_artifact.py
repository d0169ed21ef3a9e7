import dataclasses
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from edited_files import edited

from tumorcam.cohort.images import Scaler
from tumorcam.errors import FileError, ModelError, StaleError
from tumorcam.settings import ModelSettings
from tumorcam.settings.config import Config
from tumorcam.storage import integrity
from tumorcam.training.artifact import (
    HeldOut,
    LearningRecord,
    TrainedModel,
    model_attributes,
    model_digest,
    read_learning,
    read_model,
    read_scaler,
    write_model,
)

SMALL = Config(model=ModelSettings(filters=(8, 8), dense=(16, 8)))
DIGEST, NAME = "d" * 64, "r00-f01"
N_GENES, N_DECOYS, N_SAMPLES, N_TUMORS = 50, 10, 12, 3


def made_up_model():
    """A model of drawn numbers, without a network."""
    rng = np.random.default_rng(0)
    n_features = N_GENES + N_DECOYS
    return TrainedModel(
        layers='[{"name": "logits", "kind": "Dense", "output": [3], "weights": 27}]',
        best_epoch=1,
        kept_epoch=2,
        history=pd.DataFrame({"epoch": [0, 1, 2], "validation_loss": [3.0, 1.0, 2.0]}),
        convolution_share=0.75,
        digest="",
        tumors=np.array(["ACC", "BRCA", "Größe"]),
        genes=np.array([f"GENE{i:02d}" for i in range(N_GENES)]),
        side=8,
        pixel=rng.permutation(64)[:n_features].astype(np.int32),
        decoy_gene=np.arange(0, N_GENES, 5, dtype=np.int32),
        scaler=Scaler(rng.random(N_GENES, np.float32), rng.random(N_GENES, np.float32) + 1),
        weights=tuple(rng.random((3, n), np.float32) for n in range(1, 13)),
        role=rng.integers(0, 3, N_SAMPLES).astype(np.int8),
        held_out=HeldOut(
            np.arange(3, dtype=np.int32), rng.dirichlet(np.ones(N_TUMORS), 3).astype(np.float32)
        ),
    )


@pytest.fixture
def path(tmp_path):
    """Path of a file with `made_up_model`."""
    write_model(tmp_path / "model.h5", model_attributes(SMALL, DIGEST, NAME), made_up_model())
    return tmp_path / "model.h5"


def assert_equal(stored, expected):
    """Same values and types, of records in records too."""
    for field in dataclasses.fields(expected):
        value, other = getattr(stored, field.name), getattr(expected, field.name)
        if field.name == "digest":
            continue
        if dataclasses.is_dataclass(other):
            assert_equal(value, other)
        elif isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other)
        elif isinstance(other, tuple):
            pairs = zip(value, other, strict=True)
            assert all(a.dtype == b.dtype and (a == b).all() for a, b in pairs)
        else:
            assert type(value) is type(other)
            np.testing.assert_array_equal(value, other)
            assert np.asarray(value).dtype == np.asarray(other).dtype


def test_a_model_comes_back_bit_for_bit(path):
    model = read_model(path, SMALL, DIGEST, NAME)
    assert_equal(model, made_up_model())
    assert len(model.weights) == 12, "more than ten stay in order"
    assert model.digest == model_digest(path)
    integrity.check_seal(path)


def test_parts_of_a_model_are_read_alone(path):
    learning = read_learning(path, DIGEST)
    assert type(learning) is LearningRecord
    assert (learning.best_epoch, learning.kept_epoch) == (1, 2)
    assert learning.layer_list[0]["weights"] == 27
    pd.testing.assert_frame_equal(learning.history, made_up_model().history)
    assert_equal(read_scaler(path), made_up_model().scaler)


def test_the_layout_of_a_model_has_its_pixels(path):
    layout = read_model(path, SMALL, DIGEST, NAME).layout
    assert (layout.side, layout.n_genes) == (8, N_GENES)
    np.testing.assert_array_equal(layout.pixel, made_up_model().pixel)


def test_weights_are_numbers_only(path):
    dtypes = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: dtypes.update({name: getattr(item, "dtype", None)}))
    weights = [dtype for name, dtype in dtypes.items() if name.startswith("weights/")]
    assert weights == [np.float32] * 12
    assert all(dtype is None or dtype.kind in "fiS" for dtype in dtypes.values())


def test_the_names_of_datasets_are_those_of_the_fields(path):
    with h5py.File(path) as file:
        attributes = {"layers", "best_epoch", "kept_epoch", "convolution_share", "side"}
        assert attributes <= set(file.attrs)
        assert set(file) == {f.name for f in dataclasses.fields(TrainedModel)} - (
            attributes | {"digest"}
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cohort_digest": "e" * 64},
            "cohort_digest dddddddddddd, wanted eeeeeeeeeeee",
        ),
        ({"name": "r01-f00"}, "is the model r00-f01, wanted r01-f00"),
        (
            {"config": dataclasses.replace(SMALL, model=ModelSettings(filters=(8, 8), dense=(9,)))},
            r"model.dense: \[16, 8\] -> \[9\]",
        ),
    ],
)
def test_a_model_of_another_cohort_name_or_setting_is_refused(path, change, message):
    origin = {"config": SMALL, "cohort_digest": DIGEST, "name": NAME} | change
    with pytest.raises((StaleError, ModelError), match=message) as raised:
        read_model(path, **origin)
    assert str(path) in str(raised.value)
    assert re.search("run `tumorcam train`|clean CONFIG --from train", str(raised.value))


def test_learning_from_another_cohort_is_refused(path):
    with pytest.raises(FileError, match=r"made from another cohort .*; run `tumorcam train`"):
        read_learning(path, "e" * 64)


READERS = {
    "model": lambda path: read_model(path, SMALL, DIGEST, NAME),
    "learning": lambda path: read_learning(path, DIGEST),
    "scaler": read_scaler,
    "digest": model_digest,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_missing_model_is_refused(tmp_path, read):
    with pytest.raises(FileError, match=r"model.h5 does not exist; run `tumorcam train`"):
        read(tmp_path / "model.h5")


@pytest.mark.parametrize(
    ("name", "read"), [("weights", "model"), ("history", "learning"), ("scaler/sd", "scaler")]
)
def test_a_model_without_a_dataset_is_damaged(path, name, read):
    with edited(path) as file:
        del file[name]
    with pytest.raises(FileError, match=r"model.h5 .*; run `tumorcam train`, which makes it anew"):
        READERS[read](path)


def test_a_flipped_bit_in_a_weight_is_damage(path):
    with h5py.File(path) as file:
        offset = file["weights/000"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"model.h5 .*; run `tumorcam train`, which makes it anew"):
        read_model(path, SMALL, DIGEST, NAME)
