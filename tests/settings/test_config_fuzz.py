"""Whatever a config or `--set` holds, the outcome is a config or one message.

The examples are the same on each machine, and take some 15 seconds. For a longer search by hand,
with other examples each time (about ten minutes):

    TUMORCAM_FUZZ_EXAMPLES=10000 pytest tests/test_config_fuzz.py
"""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_configs import (
    SETTINGS,
    hostile_lines,
    hostile_overrides,
    hostile_tables,
    mutated_files,
)

from tumorcam.errors import ConfigError
from tumorcam.settings.config import (
    Config,
    config_from_tables,
    config_tables,
    config_toml,
    load_config,
)

EXAMPLES = os.environ.get("TUMORCAM_FUZZ_EXAMPLES", "")
MAX_MESSAGE = 4000  # characters
fuzz = settings(
    max_examples=int(EXAMPLES or 300),
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def check_outcome(load: Callable[[], Config], sources: list[str]) -> None:
    """The config is allowed and reads back from its text, or the message says where, shortly."""
    try:
        config = load()
    except ConfigError as error:
        message = str(error)
        assert len(message) <= MAX_MESSAGE
        assert any(source in message for source in sources), message
        assert message.isprintable(), "no control characters"
        return
    for section, table in config_tables(config).items():
        for key, value in table.items():
            check_value(f"{section}.{key}", value)
    assert config_from_tables(tomllib.loads(config_toml(config)), source="again") == config


def check_value(name: str, value: object) -> None:
    setting = SETTINGS[name]
    for item in value if isinstance(value, list) else [value]:
        assert type(item) is setting.kind
        if isinstance(item, str):
            assert len(item.encode()) <= 4 * 4096 and not set(item) & set("\0\n\r\t\x1b")
        elif not isinstance(item, bool):
            assert setting.at_least <= item <= setting.at_most


@fuzz
@given(hostile_tables())
def test_tables_give_a_config_or_one_message(tables):
    check_outcome(lambda: config_from_tables(tables, source="drawn"), ["drawn"])


@fuzz
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(str.encode) | hostile_lines())
def test_bytes_give_a_config_or_one_message(folder, content):
    path = folder / "bytes.toml"
    path.write_bytes(content)
    check_outcome(lambda: load_config(path), [str(path)])


@fuzz
@given(content=mutated_files())
def test_mutated_configs_give_a_config_or_one_message(folder, content):
    path = folder / "mutated.toml"
    path.write_bytes(content)
    check_outcome(lambda: load_config(path), [str(path)])


@fuzz
@given(overrides=st.lists(hostile_overrides(), min_size=1, max_size=3))
def test_overrides_give_a_config_or_one_message(folder, overrides):
    path = folder / "empty.toml"
    path.touch()
    check_outcome(lambda: load_config(path, overrides), ["--set", str(path)])
