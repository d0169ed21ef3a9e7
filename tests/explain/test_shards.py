import dataclasses

import h5py
import numpy as np
import pytest
import xarray
from edited_files import edited

from tumorcam.errors import DamageError, FileError
from tumorcam.explain.shards import (
    SALIENCY_TYPE,
    MethodMaps,
    Predictions,
    Shard,
    coordinates,
    read_band,
    read_cube,
    read_predictions,
    shard_attributes,
    shard_fault,
    shard_faults,
    write_saliency,
    write_shard,
    zero_maps,
)
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.settings.config import Config, config_from_tables, config_tables
from tumorcam.storage import hdf5, integrity, records
from tumorcam.storage.plan import ShardKey, make_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE

COHORT, MODEL = "c" * 64, "m" * 64
KEY = ShardKey(0, 1, 2, 20, 29)
SIDE, N_GENES, N_DECOYS = 18, 260, 30  # two bands of genes and decoys
N_COLUMNS = N_GENES + 2 * N_DECOYS


def config_of(**explain):
    tables = config_tables(Config())
    tables["explain"] |= {"methods": ["grad_cam", "gradient"], "cubes": ["grad_cam"]} | explain
    return config_from_tables(tables, source="test")


CONFIG = config_of()


def made_up_maps(rng, n, *, has_cube):
    scale = rng.random(n, np.float32)
    scale[: n // 3] = 0
    return MethodMaps(
        own=rng.normal(size=(n, N_COLUMNS)).astype(np.float16),
        contrast=rng.normal(size=(n, N_COLUMNS)).astype(np.float16),
        scale=scale,
        cube=rng.normal(size=(n, SIDE, SIDE)).astype(np.float16) if has_cube else None,
        cube_scale=rng.random(n, np.float32) if has_cube else None,
    )


def made_up_shard(key=KEY, config=CONFIG):
    """A shard of drawn numbers; a third of the maps of each method are zero."""
    rng, n = np.random.default_rng([key.replicate, key.fold, key.block]), key.stop - key.start
    return Shard(
        sample_index=np.arange(key.start, key.stop, dtype=np.int32),
        tumor=rng.integers(0, 4, n).astype(np.int16),
        predicted=rng.integers(0, 4, n).astype(np.int16),
        probability=rng.random((n, 4), np.float32),
        sample=np.array([f"sample-{i}" for i in range(n)]),
        target=rng.integers(0, 4, n).astype(np.int16),
        rivals=rng.integers(0, 4, (n, 3)).astype(np.int16),
        methods={
            name: made_up_maps(rng, n, has_cube=name in config.explain.cubes)
            for name in config.explain.methods
        },
    )


def write(run, key=KEY, config=CONFIG):
    attributes = shard_attributes(config, COHORT, MODEL, key, N_COLUMNS)
    write_shard(run.shard(key), attributes, made_up_shard(key, config), compression="gzip")


@pytest.fixture
def run(tmp_path):
    """A run folder with one shard."""
    write(RunFolder(tmp_path))
    return RunFolder(tmp_path)


@pytest.mark.parametrize("compression", records.COMPRESSION)
def test_a_shard_comes_back_bit_for_bit(tmp_path, compression):
    path, shard = tmp_path / "shard.h5", made_up_shard()
    attributes = shard_attributes(CONFIG, COHORT, MODEL, KEY, N_COLUMNS)
    write_shard(path, attributes, shard, compression=compression)
    integrity.check_seal(path)
    with hdf5.open_file(path, "tumorcam-shard", remedy="") as file:
        stored = records.read_record(file, Shard)
        assert {name: file.attrs[name] for name in attributes} == attributes
    for field in dataclasses.fields(Shard):
        if field.name != "methods":
            np.testing.assert_array_equal(getattr(stored, field.name), getattr(shard, field.name))
    assert stored.methods.keys() == shard.methods.keys()
    for name, maps in shard.methods.items():
        for field in dataclasses.fields(MethodMaps):
            values = getattr(stored.methods[name], field.name)
            expected = getattr(maps, field.name)
            np.testing.assert_array_equal(values, expected)
            assert getattr(values, "dtype", None) == getattr(expected, "dtype", None)


def test_the_schema_of_a_shard(run):
    with h5py.File(run.shard(KEY)) as file:
        assert set(file) == {
            *("sample", "sample_index", "tumor", "target", "rivals", "predicted", "probability"),
            *("grad_cam", "gradient"),
            *("rival", "tumor_name", "gene_or_decoy", "row", "column"),  # dimensions
        }
        assert set(file["gradient"]) == {"own", "contrast", "scale"}
        assert set(file["grad_cam"]) == {"own", "contrast", "scale", "cube", "cube_scale"}
        assert file["gradient/own"].chunks == (9, 256), "a band of genes"
        assert file["grad_cam/cube"].chunks == (8, SIDE, SIDE), "eight samples"
        assert file["grad_cam/cube"].compression == file["gradient/own"].compression == "gzip"
        assert file["gradient/scale"].compression is None


def test_predictions_are_read_alone(run):
    predictions, shard = read_predictions(run.shard(KEY)), made_up_shard()
    assert type(predictions) is Predictions
    for field in dataclasses.fields(Predictions):
        np.testing.assert_array_equal(getattr(predictions, field.name), getattr(shard, field.name))


@pytest.mark.parametrize("band", [slice(0, 256), slice(256, 512), slice(3, 7)])
def test_a_band_has_the_values_of_its_genes(run, band):
    keys, shard = ranking_keys(CONFIG.explain.methods), made_up_shard()
    values = read_band(run.shard(KEY), keys, band)
    assert list(values) == [key.name for key in keys]
    for key in keys:
        expected = getattr(shard.methods[key.method], key.view)[:, band]
        np.testing.assert_array_equal(values[key.name], expected)
        assert values[key.name].dtype == np.float16


@pytest.mark.parametrize("row", [0, 8])
def test_a_cube_is_read_at_its_own_scale(run, row):
    maps = made_up_shard().methods["grad_cam"]
    cube = read_cube(run.shard(KEY), "grad_cam", row)
    assert cube.dtype == np.float32
    expected = maps.cube[row].astype(np.float32) * maps.cube_scale[row]
    np.testing.assert_array_equal(cube, expected)


def test_zero_maps_are_counted_by_method(run):
    with edited(run.shard(KEY)) as file:
        file["gradient/scale"][...] = 1
    assert zero_maps(run.shard(KEY), ["grad_cam", "gradient"]) == {"grad_cam": 3, "gradient": 0}


READERS = {
    "sample_index": read_predictions,
    "gradient/scale": lambda path: zero_maps(path, ["gradient"]),
    "gradient/own": lambda path: read_band(path, [RankingKey("gradient", "own")], slice(0, 9)),
    "grad_cam/cube_scale": lambda path: read_cube(path, "grad_cam", 0),
    "grad_cam": lambda path: read_cube(path, "grad_cam", 0),
}


@pytest.mark.parametrize(("name", "read"), READERS.items(), ids=READERS)
def test_a_missing_dataset_is_damage(run, name, read):
    read(run.shard(KEY))
    with edited(run.shard(KEY)) as file:
        del file[name]
    with pytest.raises(
        DamageError, match=r"cannot be read .*; run `tumorcam explain`, which makes"
    ):
        read(run.shard(KEY))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_missing_shard_is_refused(tmp_path, read):
    with pytest.raises(FileError, match=r"h5 does not exist; run `tumorcam explain`"):
        read(tmp_path / "r00-f01-b0002.h5")


def fault(run, **changes):
    expected = {
        "key": KEY,
        "config": CONFIG,
        "cohort_digest": COHORT,
        "model_digest": MODEL,
        "n_columns": N_COLUMNS,
    }
    return shard_fault(run, **(expected | changes))


def test_a_good_shard_has_no_fault(run):
    assert fault(run) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cohort_digest": "other"}, "it was made with another cohort_digest"),
        ({"model_digest": "other"}, "it was made with another model_digest"),
        ({"config": config_of(rivals=2)}, "explain.rivals: 3 -> 2"),
        ({"config": config_of(methods=["grad_cam"])}, "'gradient'] -> ['grad_cam']"),
        ({"n_columns": 290}, "it was made with another n_columns"),
        ({"key": dataclasses.replace(KEY, stop=30)}, "it was made with another n_samples"),
    ],
)
def test_a_fault_says_what_differs_and_what_to_do(run, changes, message):
    text = fault(run, **changes)
    assert text.startswith(str(run.shard(KEY))) and message in text
    of_settings = "tumorcam clean CONFIG --from explain (with the same --set)"
    way = of_settings if "config" in changes else "run `tumorcam explain`"
    assert text.endswith(way)


def test_a_missing_or_cut_shard_is_a_fault(run):
    path = run.shard(KEY)
    path.write_bytes(path.read_bytes()[:3000])
    assert "is damaged: it has 3,000 bytes" in fault(run)
    assert fault(run).endswith("run `tumorcam explain`, which makes it anew")
    path.unlink()
    assert fault(run) == f"{path} does not exist; run `tumorcam explain`"


def plan_of(replicates=2):
    """Two folds of 11 and 6 samples in blocks of 5: three shards and two."""
    return make_plan(
        COHORT,
        np.repeat([0, 1], [11, 6]),
        n_folds=2,
        side=SIDE,
        n_genes=N_GENES,
        n_decoys=N_DECOYS,
        replicates=replicates,
        block=5,
    )


def faulty(run, plan, keys, config=CONFIG):
    return list(shard_faults(run, plan, keys, config))


def test_missing_changed_and_foreign_shards_have_a_fault(tmp_path):
    run, plan = RunFolder(tmp_path), plan_of()
    for key in plan.models:
        with hdf5.create_file(run.model(key), MODEL_TYPE, {"model": key.name}):
            pass
    assert faulty(run, plan, plan.shards) == list(plan.shards)
    for key in plan.shards:
        digest = hdf5.stored_digest(run.model(key.model), MODEL_TYPE, remedy="")
        attributes = shard_attributes(CONFIG, COHORT, digest, key, N_COLUMNS)
        write_shard(run.shard(key), attributes, made_up_shard(key), compression="none")
    assert faulty(run, plan, plan.shards) == []
    assert faulty(run, plan, plan.shards, config_of(rivals=1)) == list(plan.shards)
    run.shard(plan.shards[3]).unlink()
    assert faulty(run, plan, plan.shards) == [plan.shards[3]]
    assert faulty(run, plan, plan.shards[:3]) == []


def test_shards_of_a_missing_model_have_its_fault(tmp_path):
    plan = plan_of()
    faults = shard_faults(RunFolder(tmp_path), plan, plan.shards, CONFIG)
    assert list(faults) == list(plan.shards)
    for key, fault in faults.items():
        assert f"{key.model.name}/model.h5 does not exist; run `tumorcam train`" in fault


def sample_index(keys):
    return {key: made_up_shard(key).sample_index for key in keys}


@pytest.mark.parametrize("missing", [[], ["r00-f00-b0001"]], ids=["whole", "partial"])
def test_saliency_presents_all_shards_as_one_file(tmp_path, missing):
    """Rows after a missing shard move up, and the last rows stay empty."""
    run, plan = RunFolder(tmp_path), plan_of()
    present = [key for key in plan.shards if key.name not in missing]
    for key in present:
        write(run, key)
    write_saliency(run, plan, sample_index(present), CONFIG, {"cohort_digest": COHORT})
    with hdf5.open_file(run.saliency, SALIENCY_TYPE, remedy="") as file:
        assert file.attrs["cohort_digest"] == COHORT
        order = file["sample_index"][...]
        assert order.shape == (2, 17) and (order == -1).sum() == 5 * len(missing)
        for key in ranking_keys(CONFIG.explain.methods):
            values = file[key.name][...]
            assert values.shape == (2, 17, N_COLUMNS) and values.dtype == np.float16
            assert not values[order == -1].any()
            for replicate in range(2):
                shards = [made_up_shard(shard) for shard in present if shard.replicate == replicate]
                expected = [getattr(shard.methods[key.method], key.view) for shard in shards]
                stored = values[replicate][order[replicate] >= 0]
                np.testing.assert_array_equal(stored, np.concatenate(expected))


def test_saliency_leaves_out_null_runs(tmp_path):
    run, plan = RunFolder(tmp_path), dataclasses.replace(plan_of(1), nulls=1)
    for key in plan.explain_tasks:
        write(run, key)
    write_saliency(run, plan, sample_index(plan.explain_tasks), CONFIG, {})
    with hdf5.open_file(run.saliency, SALIENCY_TYPE, remedy="") as file:
        assert file["sample_index"].shape == (1, 17)


NAMES = coordinates(
    np.array(list("ABCD")), np.array([f"G{i}" for i in range(N_GENES)]), np.arange(N_DECOYS)
)


@pytest.mark.parametrize("compression", records.COMPRESSION)
def test_xarray_opens_a_shard_by_names(tmp_path, compression):
    path, shard = tmp_path / "shard.h5", made_up_shard()
    attributes = shard_attributes(CONFIG, COHORT, MODEL, KEY, N_COLUMNS)
    write_shard(path, attributes, shard, compression=compression, coordinates=NAMES)
    integrity.check_whole(path)
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        assert tree["probability"].dims == ("sample", "tumor_name")
        assert tree["grad_cam/cube"].dims == ("sample", "row", "column")
        own = tree["gradient/own"].sel(sample="sample-4", gene_or_decoy="chance decoy of G3")
        assert float(own) == shard.methods["gradient"].own[4, N_GENES + N_DECOYS + 3]
        assert float(tree["probability"].sel(tumor_name="C")[2]) == shard.probability[2, 2]
    with xarray.open_dataset(path, engine="h5netcdf", group="grad_cam") as maps:
        assert dict(maps.sizes) == {
            "sample": 9, "gene_or_decoy": N_COLUMNS, "row": SIDE, "column": SIDE
        }  # fmt: skip
    needs_plugin = compression in ("bitshuffle-lz4", "blosc2-zstd")
    stored = hdf5.stored_attributes(path, "tumorcam-shard", remedy="")
    assert stored.get("requires", "").startswith("hdf5plugin") == needs_plugin


def test_xarray_opens_all_shards_as_one(tmp_path):
    run, plan = RunFolder(tmp_path), plan_of()
    for key in plan.shards:
        write(run, key)
    write_saliency(run, plan, sample_index(plan.shards), CONFIG, {}, NAMES)
    integrity.check_whole(run.saliency)
    with xarray.open_datatree(run.saliency, engine="h5netcdf") as tree:
        assert tree["sample_index"].dims == ("replicate", "position")
        own = tree["grad_cam/own"].sel(replicate=1, gene_or_decoy="G7")
        expected = [made_up_shard(key).methods["grad_cam"].own[:, 7] for key in plan.shards[5:]]
        np.testing.assert_array_equal(own, np.concatenate(expected))
        assert tree.attrs["requires"].startswith("hdf5plugin")


def test_shards_without_named_dimensions_are_still_read(run):
    """So wrote versions before named dimensions."""
    with edited(run.shard(KEY)) as file:
        for name in ("rival", "tumor_name", "gene_or_decoy", "row", "column"):
            del file[name]
        for name in ("gradient/own", "gradient/contrast", "probability"):
            del file[name].attrs["DIMENSION_LIST"]
    assert fault(run) == ""
    assert read_predictions(run.shard(KEY)).probability.shape == (9, 4)
    with hdf5.open_file(run.shard(KEY), "tumorcam-shard", remedy="") as file:
        assert set(records.read_record(file, Shard).methods) == {"grad_cam", "gradient"}


def test_the_attributes_of_a_shard_name_its_sources():
    attributes = shard_attributes(CONFIG, COHORT, MODEL, KEY, N_COLUMNS)
    assert attributes["cohort_digest"] == COHORT and attributes["model_digest"] == MODEL
    assert attributes["shard"] == "r00-f01-b0002" and attributes["n_samples"] == 9
