"""The config of a run: its settings, read from TOML, overridden by `--set`, and checked."""

import dataclasses
import difflib
import hashlib
import json
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from tumorcam.errors import ConfigError
from tumorcam.settings import (
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


@dataclass(frozen=True)
class Config:
    """All settings of a run, resolved and checked."""

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
    synthesize: SynthesizeSettings = field(default_factory=SynthesizeSettings)

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return Path(self.run.folder or Path("runs") / self.run.name)

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """A random generator that depends on the run's seed and the purpose alone."""
        return rng_for(self.run.seed, *purpose)


def rng_for(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator that is independent for every purpose, such as ("layout", 3).

    Parameters
    ----------
    seed : int
        The run's seed, at least 0.
    purpose : str or int
        Names what the numbers are for; equal purposes give equal numbers on any machine.
    """
    text = json.dumps([seed, *purpose]).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:16], "little"))


def load_config(path: Path, overrides: typing.Sequence[str] = ()) -> Config:
    """The resolved config of a TOML file and `--set section.key=value` overrides.

    Raises
    ------
    ConfigError
        If the file is missing or no TOML, a key is unknown, or a value has a wrong type or range.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"cannot read the config {path}: {error.strerror}; pass the path of a TOML file"
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise ConfigError(msg) from error
    for override in overrides:
        _apply_override(tables, override)
    return config_from_tables(tables, source=str(path))


def config_from_tables(tables: dict[str, Any], *, source: str) -> Config:
    """The config of nested tables, every key and value checked; `source` names them in errors."""
    known = {f.name: f.type for f in dataclasses.fields(Config)}
    stages: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in known:
            raise ConfigError(_unknown(f"{source}: table [{name}]", name, known))
        if not isinstance(table, dict):
            msg = f"{source}: {name} = {table!r} stands outside any table; wanted a table [{name}]"
            raise ConfigError(msg)
        stages[name] = _stage(typing.cast(type, known[name]), name, table, source)
    return Config(**stages)


def config_tables(config: Config) -> dict[str, dict[str, Any]]:
    """The config as nested plain tables, every key present."""
    tables = dataclasses.asdict(config)
    return {
        name: {key: list(v) if isinstance(v, tuple) else v for key, v in table.items()}
        for name, table in tables.items()
    }


def config_toml(config: Config) -> str:
    """The resolved config as TOML text that `load_config` reads back."""
    return tomli_w.dumps(config_tables(config))


def config_json(config: Config, sections: typing.Sequence[str]) -> str:
    """The named sections as canonical JSON, which files carry to tell what made them.

    Of `run` only the seed counts: name, folder and threads may change within a run. Nor does
    `layout.nulls`: null replicates may be added to a run and change nothing else.
    """
    tables = config_tables(config) | {"run": {"seed": config.run.seed}}
    del tables["layout"]["nulls"]
    return json.dumps({name: tables[name] for name in sections}, sort_keys=True)


def changed_settings(old_json: str, new_json: str) -> list[str]:
    """`section.key: old -> new` for every setting that differs between two `config_json` texts."""
    old, new = json.loads(old_json), json.loads(new_json)
    return [
        f"{section}.{key}: {old.get(section, {}).get(key)!r} -> {new.get(section, {}).get(key)!r}"
        for section in sorted(old.keys() | new.keys())
        for key in sorted(old.get(section, {}).keys() | new.get(section, {}).keys())
        if old.get(section, {}).get(key) != new.get(section, {}).get(key)
    ]


def settings_table() -> str:
    """Every setting with default, unit and documentation, as a Markdown table."""
    lines = ["| key | default | unit | meaning |", "| --- | --- | --- | --- |"]
    for stage in dataclasses.fields(Config):
        for f in dataclasses.fields(typing.cast(type, stage.type)):
            default = list(f.default) if isinstance(f.default, tuple) else f.default
            shown = json.dumps(default)
            doc = f.metadata["doc"]
            if f.metadata["choices"]:
                doc += " (" + ", ".join(f"`{c}`" for c in f.metadata["choices"]) + ")"
            lines.append(f"| `{stage.name}.{f.name}` | `{shown}` | {f.metadata['unit']} | {doc} |")
    return "\n".join(lines) + "\n"


def _stage(kind: type, name: str, table: dict[str, Any], source: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(kind)}
    values = {}
    for key, value in table.items():
        if key not in fields:
            raise ConfigError(_unknown(f"{source}: key {name}.{key}", key, fields))
        values[key] = _checked(fields[key], f"{source}: {name}.{key}", value)
    return kind(**values)


def _checked(spec: "dataclasses.Field[Any]", where: str, value: Any) -> Any:
    is_list = typing.get_origin(spec.type) is tuple
    kind: Any = typing.get_args(spec.type)[0] if is_list else spec.type
    if is_list and not isinstance(value, list):
        msg = f"{where} = {value!r}; wanted a list of {kind.__name__}"
        raise ConfigError(msg)
    items = [_item(spec, kind, where, item) for item in (value if is_list else [value])]
    if is_list and len(set(items)) != len(items) and kind is str:
        msg = f"{where} = {value!r} names something twice; name it once"
        raise ConfigError(msg)
    return tuple(items) if is_list else items[0]


def _item(spec: "dataclasses.Field[Any]", kind: Any, where: str, item: Any) -> Any:
    if kind is float and type(item) is int:
        item = float(item)
    if kind is str and type(item) in (int, float):  # layout.decoys = 0.3, sample_types = [1]
        item = str(item)
    if type(item) is not kind:
        msg = f"{where} = {item!r} is {type(item).__name__}; wanted {kind.__name__}"
        raise ConfigError(msg)
    choices, low, high = (spec.metadata[key] for key in ("choices", "low", "high"))
    if choices and item not in choices:
        msg = f"{where} = {item!r}; wanted one of {', '.join(choices)}"
        raise ConfigError(msg)
    too_low = low is not None and not item >= low  # `not >=` also refuses NaN
    if too_low or (high is not None and not item <= high):
        span = f"at least {low}" + (f" and at most {high}" if high is not None else "")
        msg = f"{where} = {item!r}; wanted {span}"
        raise ConfigError(msg)
    return item


def _unknown(what: str, name: str, known: typing.Iterable[str]) -> str:
    near = "".join(f"did you mean {k}? " for k in difflib.get_close_matches(name, [*known], n=1))
    return f"{what} is unknown; {near}known: {', '.join(known)}"


def _apply_override(tables: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and key):
        msg = f"--set {override!r} is not understood; wanted section.key=value"
        raise ConfigError(msg)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string: no quotes inside quotes in a shell
    table = tables.setdefault(section, {})
    if isinstance(table, dict):
        table[key] = value
