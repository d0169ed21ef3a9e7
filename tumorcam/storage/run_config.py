"""A run folder's own config.toml: all settings of the run, and which of them `--set` gave."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from tumorcam.config import Config, config_toml, load_config
from tumorcam.errors import ConfigError, DamageError, FileError
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.run_folder import RunFolder

CONFIG_TYPE = "tumorcam-config"
FIRST_LINE = "# All settings of a run, written by tumorcam; SHA-256 of the lines below: "
OVERRIDE = "# --set "
PLACE = re.compile(r"run\.(name|folder)\s*=")  # overrides by which the folder itself was named
REMEDY = "pass your own config, or run `tumorcam prepare` with it, which writes this file anew"


def write_run_config(config: Config, overrides: Sequence[str]) -> None:
    """Write the config.toml of a run.

    Parameters
    ----------
    overrides : sequence of str
        The `section.key=value` among its settings that `--set` gave.
    """
    text = "".join(f"{OVERRIDE}{override}\n" for override in overrides) + config_toml(config)
    path = RunFolder.of(config).config
    hdf5.write_text(path, f"{FIRST_LINE}{integrity.text_digest(text)}\n{text}")


def check_run_config(path: Path) -> str:
    """The text of a config.toml, if it is as tumorcam wrote it, or has no digest.

    Raises
    ------
    DamageError
        If it has changed.
    UnreadableError, FileError
        As `integrity.require_regular`.
    """
    text = integrity.read_bytes(path).decode("utf-8", "replace")
    first, _, rest = text.partition("\n")
    if first == FIRST_LINE + integrity.text_digest(rest):
        return rest
    if "written by tumorcam" in first or not text.strip():
        raise DamageError(f"{path} is damaged: it is not as tumorcam wrote it")
    return text


def load_run(path: Path, overrides: Sequence[str], *, follow: bool) -> tuple[Config, list[str]]:
    """The settings of a run, and the overrides among them.

    Parameters
    ----------
    path : Path
        A config, or the folder of a run, whose config.toml is read; the run is then in this folder,
        wherever it was made.
    overrides : sequence of str
        `section.key=value`, which come last.
    follow : bool
        Whether the overrides that the run was started with count, too.

    Raises
    ------
    ConfigError
        As `load_config`, and if the folder has no config.toml or it has changed.
    """
    if path.is_dir():
        own = RunFolder(path).config
        try:
            check_run_config(own)
        except FileError as error:
            raise ConfigError(f"{error}; {REMEDY}") from error
        config = load_config(own, overrides)
        return dataclasses.replace(
            config, run=dataclasses.replace(config.run, folder=str(path))
        ), list(overrides)
    config = load_config(path, overrides)
    if not follow:
        return config, list(overrides)
    both = [*started_with(RunFolder.of(config).config), *overrides]
    return load_config(path, both), both


def started_with(path: Path) -> list[str]:
    """The overrides in a config.toml, without those that named the folder; none if it is broken."""
    try:
        lines = check_run_config(path).splitlines()
    except FileError:
        return []
    overrides = [line.removeprefix(OVERRIDE) for line in lines if line.startswith(OVERRIDE)]
    return [override for override in overrides if not PLACE.match(override)]
