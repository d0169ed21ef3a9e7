from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from tumorcam.config import config_sections, settings_table
from tumorcam.settings.schema import AtLeast, Choices, Doc, Setting, Unit, section_settings

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


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_has_a_sentence_and_a_default_that_is_allowed(setting):
    assert setting.doc[0].isupper() and setting.doc.endswith(".") and ". " not in setting.doc
    values = setting.default if setting.is_list else [setting.default]
    for value in values:
        assert type(value) is setting.kind
        assert not setting.choices or value in setting.choices
        assert setting.at_least is None or value >= setting.at_least
        assert setting.at_most is None or value <= setting.at_most
