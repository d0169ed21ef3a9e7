import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from tumorcam.settings.config import config_sections, settings_table
from tumorcam.settings.schema import (
    AtLeast,
    AtMost,
    Choices,
    Doc,
    FileName,
    FilePath,
    Items,
    Setting,
    Unit,
    section_settings,
)

SETTINGS = {
    f"{name}.{setting.name}": setting
    for name, section in config_sections().items()
    for setting in section_settings(section).values()
}
DOC = Path(__file__).parents[1] / "docs" / "settings.md"


def test_the_settings_page_is_what_the_code_says():
    text = DOC.read_text(encoding="utf-8")
    start = text.index("| key |")
    assert text[start:] == settings_table(), f"write settings_table() into {DOC.name}"


def test_the_schema_of_a_section_is_read_from_its_annotations():
    @dataclass(frozen=True)
    class Section:
        sizes: Annotated[tuple[int, ...], Doc("Sizes."), Unit("genes"), AtLeast(2)] = (3,)
        kind: Annotated[str, Doc("Kind."), Choices(("a", "b"))] = "a"

    settings = section_settings(Section)
    assert list(settings) == ["sizes", "kind"]
    assert settings["sizes"] == Setting("sizes", int, True, (3,), "Sizes.", "genes", (), 2, None)
    assert settings["kind"] == Setting("kind", str, False, "a", "Kind.", "", ("a", "b"), None, None)


def test_limits_and_the_form_of_a_text_are_read_too():
    @dataclass(frozen=True)
    class Section:
        rates: Annotated[tuple[float, ...], Doc("Rates."), AtMost(0.5), Items(3)] = ()
        name: Annotated[str, Doc("Name."), FileName()] = "a"
        folder: Annotated[str, Doc("Folder."), FilePath()] = ""

    rates, name, folder = section_settings(Section).values()
    assert (rates.limits, rates.items_at_most) == ((-sys.float_info.max, 0.5), 3)
    assert (name.is_file_name, name.is_path) == (True, False)
    assert (folder.is_file_name, folder.is_path) == (False, True)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_number_and_every_list_has_limits(setting):
    if setting.kind in (int, float):
        assert setting.at_least is not None and setting.at_most is not None
        assert setting.at_least < setting.at_most < float("inf")
    assert (setting.items_at_most is not None) == setting.is_list


def test_the_settings_that_are_paths_and_names():
    assert [name for name, setting in SETTINGS.items() if setting.is_file_name] == ["run.name"]
    paths = "run.folder input.expression input.samples input.gene_table"
    paths += " layout.annotation faithfulness.markers report.annotation apply.run"
    assert [name for name, setting in SETTINGS.items() if setting.is_path] == paths.split()
    lists = [name for name, setting in SETTINGS.items() if setting.or_one_text]
    assert lists == ["input.expression", "input.samples"]


def test_the_table_shows_limits():
    lines = {
        line.split("`")[1]: line.split(" | ")[3] for line in settings_table().split("\n")[2:-1]
    }
    assert lines["layout.replicates"] == "1 to 1,000"
    assert lines["training.validation"] == "0.02 to 0.5"
    assert lines["model.filters"] == "1 to 4,096; up to 32 items"
    assert lines["layout.decoy_genes"] == "up to 100,000 items"
    assert lines["run.name"] == lines["training.class_weights"] == ""


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_has_a_sentence_and_a_default_that_is_allowed(setting):
    assert setting.doc[0].isupper() and setting.doc.endswith(".") and ". " not in setting.doc
    values = setting.default if setting.is_list else [setting.default]
    for value in values:
        assert type(value) is setting.kind
        assert not setting.choices or value in setting.choices
        assert setting.at_least is None or value >= setting.at_least
        assert setting.at_most is None or value <= setting.at_most
