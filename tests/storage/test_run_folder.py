from pathlib import Path

from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey, ShardKey
from tumorcam.storage.run_folder import RunFolder


def names_of(run: RunFolder) -> list[Path]:
    """Every path that the class names."""
    properties = [n for n, v in vars(RunFolder).items() if isinstance(v, property)]
    key = ModelKey(1, 2)
    shards = [run.shard(ShardKey(1, 2, 3, 0, 9)), run.shard(ShardKey(1, 2, 3, 0, 9, null=1))]
    shards.append(run.prediction(ShardKey(1, 2, 3, 0, 9)))
    files = [run.model(key), run.history(key), run.checkpoints(key), run.band(0), run.ranking(0)]
    files += [run.response(0), run.picture("sample"), run.input.root, run.input.listed]
    named = [getattr(run, name) for name in properties if name not in ("input", "source")]
    return [*named, *shards, *files, *run.input.files]


def test_every_name_is_below_the_root_and_used_once():
    names = names_of(RunFolder(Path("runs/x")))
    assert len(set(names)) == len(names)
    assert all(path.is_relative_to("runs/x") and path != Path("runs/x") for path in names)


def test_names_by_hand():
    run = RunFolder.of(Config())
    assert run.root == Path("runs/run")
    assert run.model(ModelKey(0, 1)) == Path("runs/run/models/r00-f01/model.h5")
    assert run.model(ModelKey(0, 1, null=1)) == Path("runs/run/models/n1-r00-f01/model.h5")
    assert run.shard(ShardKey(2, 0, 13, 0, 9)) == Path("runs/run/shards/r02-f00-b0013.h5")
    assert run.input.truth == Path("runs/run/input/truth.csv")


def test_new_samples_have_a_folder_of_their_own_and_the_networks_of_the_run():
    run = RunFolder(Path("runs/x")).applied("batch")
    assert run.root == Path("runs/x/applied/batch")
    assert run.calls == Path("runs/x/applied/batch/calls.h5")
    assert run.model(ModelKey(0, 1)) == Path("runs/x/models/r00-f01/model.h5")
    assert run.reference == Path("runs/x/reference.h5")


def test_parts_are_listed_by_their_kind(tmp_path):
    run = RunFolder(tmp_path)
    assert run.band_files() == run.ranking_files() == run.response_files() == []
    for path in (run.band(0), run.band(12), run.ranking(3), run.response(1)):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert run.band_files() == [run.band(0), run.band(12)]
    assert run.ranking_files() == [run.ranking(3)] and run.response_files() == [run.response(1)]
