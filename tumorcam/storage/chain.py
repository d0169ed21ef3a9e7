"""The chain of settings: every file carries those that it depends on, its sources' included.

So a file that was made with other settings than the present ones is recognised by itself.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tumorcam.errors import StaleError
from tumorcam.settings.config import Config, changed_settings, settings_json
from tumorcam.settings.stages import STAGES, first_stage

CONFIG = "config"  # the attribute with the settings


def made_with(config: Config, stage: str) -> dict[str, str]:
    """The attribute that a file of a stage carries: all settings that it depends on, as JSON."""
    return {CONFIG: settings_json(config, stage)}


def changes(attributes: Mapping[str, Any], config: Config, stage: str) -> dict[str, str]:
    """`then -> now` by section.key for each setting of a file that has changed since.

    `attributes` are those of the file's root, and `stage` is the one that made it.
    """
    stored = str(attributes.get(CONFIG, "{}"))
    return changed_settings(stored, settings_json(config, stage))


def changes_text(changed: Mapping[str, str]) -> str:
    """The changed settings, and the two ways to go on."""
    settings = "; ".join(f"{name}: {change}" for name, change in changed.items())
    return (
        f"it was made with other settings (then -> now: {settings}); restore them, or move the "
        f"files aside that were made with them: tumorcam clean CONFIG --from "
        f"{first_changed(changed)} (with the same --set)"
    )


def first_changed(names: Iterable[str]) -> str:
    """The first stage that depends on any of these settings."""
    stages = {first_stage(*name.split(".")) for name in names}
    return next((stage for stage in STAGES if stage in stages), STAGES[0])


def require_settings(path: Path, attributes: Mapping[str, Any], config: Config, stage: str) -> None:
    """Check that a file was made with the present settings.

    `attributes` are those of the file's root, and `stage` is the one that made it.

    Raises
    ------
    StaleError
        If it was not; the message names each setting, then and now.
    """
    changed = changes(attributes, config, stage)
    if changed:
        raise StaleError(f"{path}: {changes_text(changed)}")


def settings_of(attributes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that a file was made with, by section and key."""
    tables: dict[str, dict[str, Any]] = json.loads(str(attributes.get(CONFIG, "{}")))
    return tables
