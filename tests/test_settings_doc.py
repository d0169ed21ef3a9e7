from pathlib import Path

from tumorcam.config import settings_table

DOC = Path(__file__).parents[1] / "docs" / "settings.md"


def test_the_settings_page_is_what_the_code_says():
    text = DOC.read_text(encoding="utf-8")
    start = text.index("| key |")
    assert text[start:] == settings_table(), f"write settings_table() into {DOC.name}"
