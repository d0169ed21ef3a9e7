"""The config of a run: its settings, read from TOML, overridden by `--set`, and checked."""

import dataclasses
import difflib
import functools
import hashlib
import json
import os
import re
import stat
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from tumorcam.errors import ConfigError, quoted
from tumorcam.settings import (
    ApplySettings,
    CohortSettings,
    ExplainSettings,
    FaithfulnessSettings,
    InputSettings,
    LayoutSettings,
    ModelSettings,
    ReportSettings,
    RunSettings,
    SignificanceSettings,
    SplitSettings,
    SynthesizeSettings,
    TrainingSettings,
)
from tumorcam.settings.schema import Setting, section_settings
from tumorcam.settings.stages import ADDED, first_stage, stages_until
from tumorcam.settings.values import check_plain, checked_value

MAX_CONFIG_BYTES = 10_000_000
MAX_SOURCE = 1000  # characters of a config's path in a message
PLAIN_NAME = re.compile(r"[\w.-]{1,60}")  # of a table or key, which needs no quotes in a message


@dataclass(frozen=True)
class Config:
    """All settings of a run, complete and checked."""

    run: RunSettings = field(default_factory=RunSettings)
    input: InputSettings = field(default_factory=InputSettings)
    cohort: CohortSettings = field(default_factory=CohortSettings)
    splits: SplitSettings = field(default_factory=SplitSettings)
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    significance: SignificanceSettings = field(default_factory=SignificanceSettings)
    faithfulness: FaithfulnessSettings = field(default_factory=FaithfulnessSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    apply: ApplySettings = field(default_factory=ApplySettings)
    synthesize: SynthesizeSettings = field(default_factory=SynthesizeSettings)

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.run.folder or Path("runs") / self.run.name)

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """A random generator that depends on the run's seed and the purpose alone."""
        return rng_for(self.run.seed, *purpose)


def rng_for(seed: int, *purpose: str | int) -> np.random.Generator:
    """A random generator that is independent for every purpose, such as ("layout", 3).

    Parameters
    ----------
    seed : int
        The run's seed, at least 0.
    purpose : str or int
        What the numbers are for; equal purposes give equal numbers on any machine.
    """
    text = json.dumps([seed, *purpose]).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:16], "little"))


def config_sections() -> dict[str, type]:
    """The dataclass of each section, by the name of its TOML table, in their order."""
    return {f.name: typing.cast(type, f.type) for f in dataclasses.fields(Config)}


def load_config(path: Path, overrides: typing.Sequence[str] = ()) -> Config:
    """The complete config from a TOML file and `--set section.key=value` overrides.

    An override whose key holds text takes the value as it stands, so that `run.name=1e3` is the
    name "1e3"; quotes around the whole value are taken off. Any other value is TOML.

    Raises
    ------
    ConfigError
        If the file cannot be read or is no TOML, an override has no `section.key`, a key is
        unknown, or a value has a wrong type, range, length or form.
    """
    source = str(path) if len(str(path)) <= MAX_SOURCE else quoted(str(path))
    check_plain(str(path), f"the path of the config, {quoted(str(path))},")
    tables = _read_tables(path, source)
    for override in overrides:
        _apply_override(tables, override)
    return config_from_tables(tables, source=source)


def config_from_tables(tables: dict[str, Any], *, source: str) -> Config:
    """The config from nested tables; every key and value is checked.

    Parameters
    ----------
    tables : dict
        A table for each section; defaults stand in for what is missing.
    source : str
        Where the tables come from, for error messages.

    Raises
    ------
    ConfigError
        If a section or key is unknown, a value has a wrong type or range, or values do not fit
        each other.
    """
    sections = config_sections()
    values: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in sections:
            raise ConfigError(_unknown(f"{source}: table [{_plain_name(name)}]", name, sections))
        if not isinstance(table, dict):
            msg = (
                f"{source}: {name} = {quoted(table)} stands outside any table; wanted one table "
                f"[{name}]"
            )
            raise ConfigError(msg)
        values[name] = _section(sections[name], name, table, source)
    return Config(**values)


def override_tables(overrides: typing.Sequence[str]) -> dict[str, Any]:
    """Nested tables of `section.key=value` overrides; ConfigError as in `load_config`."""
    tables: dict[str, Any] = {}
    for override in overrides:
        _apply_override(tables, override)
    return tables


def config_tables(config: Config) -> dict[str, dict[str, Any]]:
    """The config as nested plain tables with every key."""
    tables = dataclasses.asdict(config)
    return {
        name: {key: list(v) if isinstance(v, tuple) else v for key, v in table.items()}
        for name, table in tables.items()
    }


def config_toml(config: Config) -> str:
    """The complete config as TOML text that `load_config` reads back."""
    return tomli_w.dumps(config_tables(config))


@functools.cache
def settings_json(config: Config, stage: str) -> str:
    """All settings that the files of a stage depend on, as canonical JSON, which each file carries.

    These are also those that earlier stages depend on. The section `synthesize` does not count
    where the input is the user's own, nor `apply` where a run has networks of its own. Settings of
    `stages.ADDED` are left out at their value there, so that files from before stay valid.

    Parameters
    ----------
    stage : str
        One of `settings.stages.STAGES`.
    """
    stages = stages_until(stage)
    tables = config_tables(config)
    if config.input.expression:
        del tables["synthesize"]
    if not config.apply.run:
        del tables["apply"]
    chosen = {
        section: {
            key: value
            for key, value in table.items()
            if first_stage(section, key) in stages
            and (f"{section}.{key}", value) not in ADDED.items()
        }
        for section, table in tables.items()
    }
    return json.dumps({name: table for name, table in chosen.items() if table}, sort_keys=True)


def section_json(config: Config, section: str) -> str:
    """One section and the seed as canonical JSON."""
    tables = {section: config_tables(config)[section], "run": {"seed": config.run.seed}}
    return json.dumps(tables, sort_keys=True)


def changed_settings(old_json: str, new_json: str) -> dict[str, str]:
    """`old -> new` by section.key for each setting that differs between `settings_json` texts."""
    old, new = (ADDED | _by_name(text) for text in (old_json, new_json))
    return {
        name: f"{quoted(old.get(name))} -> {quoted(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }


def _by_name(text: str) -> dict[str, Any]:
    """The settings of a `settings_json` text, by section.key."""
    tables = json.loads(text).items()
    return {f"{section}.{key}": value for section, table in tables for key, value in table.items()}


def settings_table() -> str:
    """A Markdown table of every setting with its default, unit, range and description."""
    lines = ["| key | default | unit | range | meaning |", "| --- | --- | --- | --- | --- |"]
    for name, section in config_sections().items():
        for setting in section_settings(section).values():
            default = json.dumps(setting.default)
            meaning = setting.doc + _choices_text(setting)
            cells = [f"`{name}.{setting.name}`", f"`{default}`", setting.unit]
            lines.append(f"| {' | '.join([*cells, _range_text(setting), meaning])} |")
    return "\n".join(lines) + "\n"


def _choices_text(setting: Setting) -> str:
    choices = ", ".join(f"`{choice}`" for choice in setting.choices)
    return f" {'Any' if setting.is_list else 'One'} of {choices}." if choices else ""


def _range_text(setting: Setting) -> str:
    """The limits of a number, and of the length of a list."""
    limits = [f"{limit:,}" for limit in setting.limits]
    numbers = [" to ".join(limits)] if setting.kind in (int, float) else []
    items = [f"up to {setting.items_at_most:,} items"] if setting.is_list else []
    return "; ".join([*numbers, *items])


def _section(kind: type, name: str, table: dict[str, Any], source: str) -> Any:
    values = {key: _checked(kind, name, key, value, source) for key, value in table.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        msg = f"{source}: {error}"
        raise ConfigError(msg) from error


def _checked(kind: type, name: str, key: str, value: Any, source: str) -> Any:
    """The value of a key of the section `name`, whose dataclass is `kind`."""
    settings = section_settings(kind)
    if key not in settings:
        raise ConfigError(_unknown(f"{source}: key {name}.{_plain_name(key)}", key, settings))
    return checked_value(settings[key], f"{source}: {name}.{key}", value)


def _unknown(what: str, name: str, names: typing.Iterable[str]) -> str:
    matches = difflib.get_close_matches(name[:100], [*names], n=1)
    near = "".join(f"did you mean {match}? " for match in matches)
    return f"{what} is unknown; {near}known: {', '.join(names)}"


def _plain_name(name: str) -> str:
    """The name of a table or key for a message, in quotes if it is long or no plain word."""
    return name if PLAIN_NAME.fullmatch(name) else quoted(name)


def _read_tables(path: Path, source: str) -> dict[str, Any]:
    """The tables of a TOML file, unchecked."""
    text = _read_text(path, source)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{source} is not valid TOML: {str(error)[:MAX_SOURCE]}"
        raise ConfigError(msg) from error
    except RecursionError as error:
        msg = f"{source} nests brackets too deeply; wanted single values and plain lists"
        raise ConfigError(msg) from error
    except ValueError as error:  # of `int`
        msg = f"{source} holds a number of too many digits; wanted at most 64 bits"
        raise ConfigError(msg) from error


def _read_text(path: Path, source: str) -> str:
    """The text of a regular file; opening waits for nobody, such as the writer of a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _check_file(os.fstat(descriptor), source)
            with os.fdopen(descriptor, encoding="utf-8-sig", closefd=False) as file:
                return file.read(MAX_CONFIG_BYTES)  # a limit also for files in /proc
        finally:
            os.close(descriptor)
    except OSError as error:
        msg = f"cannot read the config {source}: {error.strerror}; pass the path of a TOML file"
        raise ConfigError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{source} is not valid TOML: {error}"
        raise ConfigError(msg) from error


def _check_file(status: os.stat_result, source: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        msg = f"the config {source} is a folder, pipe or device; pass the path of a TOML file"
        raise ConfigError(msg)
    if status.st_size > MAX_CONFIG_BYTES:
        msg = f"the config {source} has {status.st_size} bytes; wanted at most {MAX_CONFIG_BYTES}"
        raise ConfigError(msg)


def _apply_override(tables: dict[str, Any], override: str) -> None:
    """Check a `section.key=value` override and put it into the tables."""
    check_plain(override, f"--set {quoted(override)}")
    path, equals, text = override.partition("=")
    section, _, key = path.strip().partition(".")
    if not (equals and section and key):
        msg = f"--set {quoted(override)} is not understood; wanted section.key=value"
        raise ConfigError(msg)
    sections = config_sections()
    if section not in sections:
        raise ConfigError(_unknown(f"--set: table [{_plain_name(section)}]", section, sections))
    setting = section_settings(sections[section]).get(key)
    is_list = setting is not None and setting.is_list
    is_text = setting is not None and setting.kind is str and not is_list
    if setting is not None and setting.or_one_text:
        is_text = not text.strip().startswith("[")
    value = _unquoted(text.strip()) if is_text else _toml_value(text.strip())
    _checked(sections[section], section, key, value, "--set")
    table = tables.setdefault(section, {})
    if isinstance(table, dict):  # else the check of the file refuses it
        table[key] = value


def _unquoted(text: str) -> str:
    """The text without its quotes if all of it is one TOML string, else the text as it is."""
    value = _toml_value(text)
    is_string = isinstance(value, str) and _toml_value(f"[{text}]") == [value]
    return value if is_string else text


def _toml_value(text: str) -> Any:
    """The value of a TOML expression; what is no TOML, such as a bare word, stays text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # no TOML, too many digits, or brackets nested too deeply
        return text
    return table["value"] if table.keys() == {"value"} else text
