"""Limits of numbers, lists and texts, names and paths, and files that are no config."""

import math
import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_configs import CONFIGS, NOT_PLAIN, SETTINGS

from tumorcam.errors import ConfigError
from tumorcam.settings.config import config_from_tables, config_toml, load_config

NUMBERS = [name for name, setting in SETTINGS.items() if setting.kind in (int, float)]
FLOATS = [name for name in NUMBERS if SETTINGS[name].kind is float]
LISTS = [name for name, setting in SETTINGS.items() if setting.is_list]
TEXTS = [name for name, s in SETTINGS.items() if s.kind is str and not s.choices]
PATHS = [name for name, setting in SETTINGS.items() if setting.is_path]


def set_value(name, value):
    """The setting in a config that has this value; a list of it, where the setting is a list."""
    section, _, key = name.partition(".")
    is_item = SETTINGS[name].is_list and not isinstance(value, list)
    tables = {section: {key: [value] if is_item else value}}
    if key in ("kernel", "stride", "pool"):
        tables[section]["filters"] = [8] * len(tables[section][key])
    config = config_from_tables(tables, source="drawn")
    got = getattr(getattr(config, section), key)
    return got[0] if is_item else got


def refusal(name, value):
    """What is said against a value; it says where the value stands."""
    with pytest.raises(ConfigError) as error:
        set_value(name, value)
    message = str(error.value)
    assert message.startswith(f"drawn: {name} ") and len(message) < 1000
    return message


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_lie_on_its_limits_but_not_beyond(name):
    low, high = SETTINGS[name].limits
    assert (set_value(name, low), set_value(name, high)) == (low, high)
    is_float = SETTINGS[name].kind is float
    below = math.nextafter(low, -math.inf) if is_float else low - 1
    above = math.nextafter(high, math.inf) if is_float else high + 1
    for value in (below, above, 10**30, -(10**30), 10**400):
        assert f"wanted at least {low} and at most {high}" in refusal(name, value)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_float_is_infinite_or_nan(name, value):
    assert f"{name} = {value!r}; wanted at least" in refusal(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layout.replicates", 10**9),
        ("layout.nulls", 10**9),
        ("run.threads_per_rank", 10**9),
        ("training.batch_size", 10**9),
        ("layout.spacing", 10**18),
        ("training.warmup_epochs", math.inf),
        ("model.filters", [10**9]),
        ("run.seed", 2**63),
    ],
)
def test_values_that_once_ran_until_killed_are_refused(name, value):
    assert "and at most" in refusal(name, value)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_a_longest_length(name):
    setting = SETTINGS[name]
    n_items = setting.items_at_most
    items = [str(i) for i in range(n_items + 1)] if setting.kind is str else [1] * (n_items + 1)
    assert f"has {n_items + 1} items; wanted at most {n_items}" in refusal(name, items)
    if not setting.choices:
        assert len(set_value(name, items[:-1])) == n_items


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_has_a_longest_length_and_no_control_characters(name):
    longest = 100 if name == "run.name" else 4096
    assert set_value(name, "x" * longest) == "x" * longest
    words = "wanted the name" if name == "run.name" else "has 4097 characters; wanted at most 4096"
    assert words in refusal(name, "x" * (longest + 1))
    for character in "\0\n\r\t\x1b\x7f\x85\u2028\ud800\udcff":
        assert f"holds {character!r}; wanted UTF-8 text" in refusal(name, f"a{character}b")


@given(st.characters(categories=NOT_PLAIN))
def test_no_text_holds_a_character_that_is_not_plain(character):
    assert "holds" in refusal("input.gene_column", f"a{character}")


@given(st.text(st.characters(exclude_categories=NOT_PLAIN)))
def test_any_plain_text_is_taken(text):
    assert set_value("input.gene_column", text) == text


@pytest.mark.parametrize("name", ["a", "my run", "größe α", ".hidden", "a-b~c", "x" * 100, "1e3"])
def test_a_run_may_be_named(name):
    assert set_value("run.name", name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "/a", "a\\b", "-a", "--help", "~", "~a", "x" * 101, "😀" * 64],
)
def test_a_run_has_the_name_of_a_folder(name):
    assert "wanted the name of a folder: 1 to 100 characters" in refusal("run.name", name)


@pytest.mark.parametrize("name", PATHS)
def test_home_folders_are_expanded_in_paths(monkeypatch, name):
    monkeypatch.setenv("HOME", "/home/ada")
    assert set_value(name, "~/data/x.tsv") == "/home/ada/data/x.tsv"
    assert set_value(name, "~") == "/home/ada"
    assert set_value(name, "~root/x").endswith("/x") and set_value(name, "~root/x")[0] == "/"
    for path in ("./~", "a/~", "a~", "/~x", "", "a b", "../x"):
        assert set_value(name, path) == path
    assert "no home folder is known for '~no-such-user'" in refusal(name, "~no-such-user/x")


def test_a_home_that_is_no_plain_whole_path_is_refused(monkeypatch):
    monkeypatch.setenv("HOME", "home")
    assert "no home folder is known for '~'" in refusal("run.folder", "~/x")
    monkeypatch.setenv("HOME", "/home\nada")
    assert "holds '\\n'" in refusal("run.folder", "~/x")
    monkeypatch.setenv("HOME", "/" + "x" * 5000)
    assert "has 5003 characters" in refusal("run.folder", "~/x")


def test_an_expanded_path_reads_back_without_a_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    config = config_from_tables({"run": {"folder": "~/runs"}}, source="")
    (tmp_path / "c.toml").write_text(config_toml(config), encoding="utf-8")
    monkeypatch.setenv("HOME", "/home/other")
    again = load_config(tmp_path / "c.toml")
    assert again == config and str(again.folder) == "/home/ada/runs"


def test_an_override_says_that_it_is_one(tmp_path):
    (tmp_path / "c.toml").write_text("[run]\nseed = -1")
    with pytest.raises(ConfigError, match=r"^--set: run\.seed = -2; wanted at least 0"):
        load_config(tmp_path / "c.toml", ["run.seed=-2"])
    assert load_config(tmp_path / "c.toml", ["run.seed=2"]).run.seed == 2


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "c.toml"
    for shipped in CONFIGS:
        path.write_bytes(b"\xef\xbb\xbf" + shipped.read_bytes().replace(b"\n", b"\r\n"))
        assert load_config(path) == load_config(shipped)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "socket"))
    (tmp_path / "loop").symlink_to("loop")
    kind = "is a folder, pipe or device; pass the path of a TOML file"
    for path in (tmp_path, tmp_path / "pipe", "/dev/null", "/dev/zero"):
        check_path(path, kind)
    check_path(tmp_path / "socket", "cannot read the config")
    check_path(tmp_path / "loop", "cannot read the config")
    check_path(tmp_path / "absent.toml", "No such file or directory; pass the path")
    check_path(CONFIGS[0] / "c.toml", "Not a directory")
    check_path("/proc/self/mem", "cannot read the config")
    server.close()


def check_path(path, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as error:
        load_config(Path(path))
    assert len(str(error.value)) < 1200
    assert str(path)[:50] in str(error.value)


def test_a_path_must_be_plain_text_and_not_too_long(tmp_path):
    for character in ("\0", "\n", "\udcff", "\ud800"):
        with pytest.raises(ConfigError, match="holds '") as error:
            load_config(tmp_path / f"a{character}.toml")
        assert str(error.value).isprintable() and "the path of the config" in str(error.value)
    check_path("/" + "x" * 300, "File name too long")
    check_path("/x" * 1_000_000, "File name too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "c.toml").touch(mode=0)
    check_path(tmp_path / "c.toml", "Permission denied")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "c.toml"
    path.touch()
    os.truncate(path, 100_000_000)
    check_path(path, "has 100000000 bytes; wanted at most 10000000")
