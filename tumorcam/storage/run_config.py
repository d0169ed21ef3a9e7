"""A run folder's own config.toml: all settings of the run, and which of them `--set` gave."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tumorcam.errors import ConfigError, DamageError, FileError
from tumorcam.settings.config import Config, config_toml, load_config
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.run_folder import RunFolder

CONFIG_TYPE = "tumorcam-config"
FIRST_LINE = "# All settings of a run, written by tumorcam; SHA-256 of the lines below: "
OVERRIDE = "# --set "
PLACE = re.compile(r"run\.(name|folder)\s*=")  # overrides by which the folder itself was named
REMEDY = "run `tumorcam prepare` with your own config and the --set of the run's start"


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


def load_run(
    path: Path, overrides: Sequence[str], *, strict: bool = True
) -> tuple[Config, list[str]]:
    """The settings of a run, and all overrides among them: the run's first ones, then the given.

    Parameters
    ----------
    path : Path
        A config; or the folder of a run, or its own config.toml. Then the run is in this folder,
        wherever it was made.
    overrides : sequence of str
        `section.key=value`, which come last.
    strict : bool
        Whether a damaged config.toml of the run is refused, since what it was started with is lost.

    Raises
    ------
    ConfigError
        As `load_config`; and if the run's config.toml is missing where it was named, or damaged.
    """
    is_folder = path.is_dir()
    path = RunFolder(path).config if is_folder else path
    if is_folder or _is_own(path):
        started = started_with(path, strict=True)
        config = load_config(path, overrides)
        run = dataclasses.replace(config.run, folder=str(path.parent))
        return dataclasses.replace(config, run=run), together(started, overrides)
    config = load_config(path, overrides)
    own = RunFolder.of(config).config
    started = started_with(own, strict=strict) if os.path.lexists(own) else []
    every = together(started, overrides)
    return load_config(path, every), every


def started_with(path: Path, *, strict: bool) -> list[str]:
    """The overrides in a config.toml, without those that named the folder.

    Raises
    ------
    ConfigError
        If it is damaged and `strict`.
    """
    try:
        lines = check_run_config(path).splitlines()
    except FileError as error:
        if strict:
            raise ConfigError(f"{error}; {REMEDY}") from error
        return []
    overrides = [line.removeprefix(OVERRIDE) for line in lines if line.startswith(OVERRIDE)]
    return [override for override in overrides if not PLACE.match(override)]


def together(*lists: Sequence[str]) -> list[str]:
    """All overrides, of each setting the last one alone."""
    of_setting: dict[str, str] = {}
    for override in (override for overrides in lists for override in overrides):
        name = override.partition("=")[0].strip()
        of_setting.pop(name, None)
        of_setting[name] = override
    return list(of_setting.values())


def _is_own(path: Path) -> bool:
    """Whether a path is a config.toml that tumorcam wrote into the folder of a run."""
    if path != RunFolder(path.parent).config:
        return False
    try:
        return integrity.read_bytes(path).startswith(FIRST_LINE.encode())
    except FileError:
        return False
