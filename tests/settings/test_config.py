import json
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_configs import CONFIGS, PLAIN, configs

from tumorcam.errors import ConfigError, quoted
from tumorcam.settings.config import (
    Config,
    changed_settings,
    config_from_tables,
    config_toml,
    load_config,
    rng_for,
    settings_json,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def short(value: object) -> str:
    """The start of a value, as the name of a test."""
    return quoted(value)[:40]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_are_valid(path):
    assert load_config(path).run.name == path.stem


def test_an_empty_file_gives_the_defaults(tmp_path):
    config = load_config(write(tmp_path / "c.toml", ""))
    assert config == Config()
    assert config.folder == Path("runs/run")
    assert (config.splits.folds, config.layout.replicates, config.explain.rivals) == (5, 8, 3)


def test_values_and_overrides_are_read(tmp_path):
    path = write(
        tmp_path / "c.toml",
        '[run]\nname = "a"\nfolder = "/b"\n[model]\nfilters = [8, 16]\n[training]\nmixup = 1',
    )
    config = load_config(path, ["layout.decoys='0.3'", "run.seed=7", "layout.kind=variance"])
    assert config.folder == Path("/b")
    assert config.model.filters == (8, 16)
    assert config.training.mixup == 1.0 and type(config.training.mixup) is float
    assert config.run.seed == 7 and config.layout.kind == "variance"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("two words", "two words"),
        ("2024-01-02", "2024-01-02"),
        ("07:32:00", "07:32:00"),
        ("1e3", "1e3"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("inf", "inf"),
        ("12#3", "12#3"),
        ("12 # 3", "12 # 3"),
        ("true", "true"),
        ("[1]", "[1]"),
        ("{a = 1}", "{a = 1}"),
        ("a=b", "a=b"),
        ("", ""),
        ("''", ""),
        (" x ", "x"),
        ("' x '", " x "),
        ("'=x'", "=x"),
        ('"a b"', "a b"),
        (r'"\u00e9"', "é"),
        (r"'a\tb'", r"a\tb"),
        ("'''it's'''", "it's"),
        ("it's", "it's"),
        ("'half", "'half"),
        ('say "a"', 'say "a"'),
        ("'a' # 'b'", "'a' # 'b'"),
        ("'a', 'b'", "'a', 'b'"),
        ("'a'] #'", "'a'] #'"),
        (r'"C:\\new"', r"C:\new"),
        (r'"C:\dir"', r'"C:\dir"'),
        ("größe α", "größe α"),
    ],
)
def test_text_is_taken_as_it_stands_without_its_quotes(tmp_path, text, value):
    config = load_config(write(tmp_path / "c.toml", ""), [f"input.gene_column={text}"])
    assert config.input.gene_column == value


@given(st.text(PLAIN))
def test_any_text_can_be_given_in_quotes(text):
    config = config_from_tables({"input": {"gene_column": text}}, source="")
    value = config_toml(config).partition("gene_column = ")[2].partition("\ngene_table = ")[0]
    with tempfile.TemporaryDirectory() as folder:
        again = load_config(write(Path(folder) / "c.toml", ""), [f"input.gene_column={value}"])
    assert again == config


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("layout.decoys=0.3", "layout", "decoys", "0.3"),
        ("layout.decoys=.30", "layout", "decoys", ".30"),
        ('layout.decoys="0.3"', "layout", "decoys", "0.3"),
        ("input.gene_column=1", "input", "gene_column", "1"),
        ("layout.kind = variance", "layout", "kind", "variance"),
        ("run.seed=7", "run", "seed", 7),
        ("training.learning_rate=1e-4", "training", "learning_rate", 1e-4),
        ("training.class_weights=true", "training", "class_weights", True),
        ("cohort.tumors=['BRCA', 'COAD']", "cohort", "tumors", ("BRCA", "COAD")),
        ("cohort.sample_types=[1, '03']", "cohort", "sample_types", ("1", "03")),
        ("cohort.tumors=[]", "cohort", "tumors", ()),
        ("model.filters=[8, 16]", "model", "filters", (8, 16)),
    ],
)
def test_an_override_is_read_by_the_type_of_its_key(tmp_path, override, section, key, value):
    config = load_config(write(tmp_path / "c.toml", ""), [override])
    assert getattr(getattr(config, section), key) == value


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cohort.tumors=BRCA", ["cohort.tumors = 'BRCA'", "wanted a list of str"]),
        ("cohort.tumors=[2024-01-02]", ["is date", "wanted str"]),
        ("training.epochs=many", ["training.epochs = 'many' is str", "wanted int"]),
        ("training.epochs=1e3", ["training.epochs = 1000.0 is float", "wanted int"]),
        ("training.epochs=3\nseed = 4", ["holds '\\n'", "without control characters"]),
        ("run.name=1\nfoo=2", ["--set 'run.name=1\\nfoo=2' holds '\\n'"]),
        ("run.name=a\tb", ["holds '\\t'"]),
        ("run.name=\udcff", ["holds '\\udcff'", "UTF-8"]),
        (r'run.name="a\nb"', ["--set: run.name = 'a\\nb' holds '\\n'"]),
        ("run.seed=" + "9" * 5000, ["run.seed = '999", "(4802 more characters)", "wanted int of"]),
        ("run.seed=" + "[" * 100_000, ["run.seed = '[[[", "wanted int of at least 0"]),
        ("run.name=" + "[" * 2000, ["run.name = '[[[", "at most 255 bytes"]),
        ("model.filters=" + "[" * 1000 + "]" * 1000, ["wanted a list of int"]),
        ("layout.kind=1e3", ["layout.kind = '1e3'", "wanted one of random, variance"]),
        ("run.nam=2024-01-02", ["key run.nam is unknown", "did you mean name?"]),
        ("rnu.name=12#3", ["table [rnu] is unknown", "did you mean run?"]),
        ("run.name.first=a", ["key run.name.first is unknown"]),
        ("run..name=a", ["key run..name is unknown"]),
        ("run.'name'=a", ["key run.\"'name'\" is unknown", "did you mean name?"]),
        ("'run'.name=a", ["table [\"'run'\"] is unknown", "did you mean run?"]),
        ("run." + "x" * 10**6 + "=a", ["key run.'xxx", "(999802 more characters)"]),
    ],
    ids=short,
)
def test_a_wrong_override_is_one_clear_message(tmp_path, override, words):
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path / "c.toml", ""), [override])
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[trainin]\nepochs = 1", ["[trainin]", "did you mean training?"]),
        ("[training]\nepoch = 1", ["training.epoch ", "did you mean epochs?", "patience"]),
        ("[training]\nepochs = 1.5", ["training.epochs = 1.5 is float", "wanted int"]),
        ("[training]\nepochs = true", ["is bool", "wanted int"]),
        ('[training]\nepochs = "3"', ["is str", "wanted int"]),
        ("[training]\nclass_weights = 1", ["is int", "wanted bool"]),
        ("[training]\nepochs = 0", ["training.epochs = 0", "at least 1"]),
        ("[training]\nlearning_rate = nan", ["training.learning_rate = nan", "at least 0"]),
        ("[training]\nvalidation = 0.9", ["0.9", "at least 0.02 and at most 0.5"]),
        ('[layout]\nkind = "hilbert"', ["'hilbert'", "random, variance, coexpression"]),
        ("[model]\nfilters = 8", ["model.filters = 8", "wanted a list of int"]),
        ("[model]\nfilters = [8, 0]", ["at least 1"]),
        ("[model]\nkernel = [3, 0, 3]", ["model.kernel = 0", "at least 1"]),
        ("[model]\nstride = [2, 1]", ["model.stride = [2, 1]", "[32, 64, 64]", "number, or 3"]),
        ("[model]\nfilters = [8]\npool = [2, 2]", ["model.pool = [2, 2]", "model.filters = [8]"]),
        ("[model]\nkernel = []", ["model.kernel = []", "wanted one number, or 3"]),
        ('[model]\nimage = "column"', ["'column'", "square, row"]),
        ("[training]\npath_dropout = 1", ["at least 0 and at most 0.5"]),
        ('[cohort]\ntumors = ["BRCA", "BRCA"]', ["names something twice"]),
        ("run = 3", ["stands outside any table", "[run]"]),
        ("[[run]]\n[[run]]", ["run = [{}, {}]", "wanted one table [run]"]),
        ("[training]\nepochs = 1979-05-27", ["is date", "wanted int"]),
        ("[training]\nepochs = 1979-05-27T07:32:00Z", ["is datetime", "wanted int"]),
        ("[training]\nepochs = {a = 1}", ["epochs = {'a': 1} is dict", "wanted int"]),
        ("[[training.epochs]]", ["epochs = [{}] is list", "wanted int"]),
        ("[training]\nepochs.a.b = 1", ["is dict", "wanted int"]),
        ("[run]\nname" + ".a" * 2000 + " = 1", ["<dict too large to show> is dict", "wanted str"]),
        ('["a\\nb"]', ["table ['a\\nb'] is unknown"]),
        ('[run]\n"a\\nb" = 1', ["key run.'a\\nb' is unknown"]),
        ("[run]\nseed = " + "9" * 5000, ["a number of too many digits"]),
        ("[run]\nseed = 0x" + "f" * 5000, ["<int too large to show>", "at most 92233720368547"]),
        ("[run]\nname = 0x" + "f" * 5000, ["<int too large to show> is int; wanted str"]),
        ("[run]\nseed = " + "[" * 100_000, ["nests brackets too deeply"]),
        ("[run]\nseed = " + "{a=" * 100_000, ["nests brackets too deeply"]),
        (f"{'a' * 10**6} = 1\n{'a' * 10**6} = 1", ["not valid TOML"]),
        ("[training\n", ["not valid TOML"]),
    ],
    ids=short,
)
def test_a_wrong_config_is_one_clear_message(tmp_path, text, words):
    path = write(tmp_path / "c.toml", text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert all(word in str(error.value) for word in [str(path), *words]), error.value


@pytest.mark.parametrize("override", ["training.epochs", "epochs=3", "=3", "training.=3", ".a=3"])
def test_a_malformed_override_is_refused(tmp_path, override):
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load_config(write(tmp_path / "c.toml", ""), [override])


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "bytes.toml")


@given(configs())
def test_toml_text_reads_back_to_the_same_config(config):
    tables = tomllib.loads(config_toml(config))
    assert config_from_tables(tables, source="again") == config


@given(configs(), configs())
def test_json_texts_differ_exactly_where_settings_do(first, second):
    old, new = settings_json(first, "train"), settings_json(second, "train")
    assert (old == new) == (changed_settings(old, new) == {})
    assert set(json.loads(old)["run"]) == {"seed"}, "name, folder and threads may change"


def test_changed_settings_name_old_and_new():
    old = settings_json(Config(), "prepare")
    changed = config_from_tables({"layout": {"replicates": 3}}, source="")
    assert changed_settings(old, settings_json(changed, "prepare")) == {
        "layout.replicates": "8 -> 3"
    }
    assert changed_settings("{}", '{"a": {"b": 1}}') == {"a.b": "None -> 1"}


def test_a_setting_that_was_added_later_leaves_older_files_valid():
    older = settings_json(Config(), "train")
    assert "precision" not in json.loads(older)["training"]
    mixed = config_from_tables({"training": {"precision": "mixed"}}, source="")
    assert changed_settings(older, settings_json(mixed, "train")) == {
        "training.precision": "'float32' -> 'mixed'"
    }


def test_random_numbers_depend_on_seed_and_purpose_alone():
    def draw(seed, *purpose):
        return rng_for(seed, *purpose).integers(2**32, size=4).tolist()

    assert draw(1, "layout", 0) == draw(1, "layout", 0)
    others = [draw(2, "layout", 0), draw(1, "layout", 1), draw(1, "folds"), draw(1, "layout", "0")]
    assert draw(1, "layout", 0) not in others
    config = config_from_tables({"run": {"seed": 1}}, source="")
    assert config.rng("layout", 0).integers(2**32, size=4).tolist() == draw(1, "layout", 0)
    # frozen: a release that draws other numbers makes other layouts for every user
    assert draw(1, "layout", 0) == [1515320888, 3728013826, 46761548, 170503390]
