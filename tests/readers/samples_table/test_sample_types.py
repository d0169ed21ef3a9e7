"""Types of samples in words and codes."""

import pytest

from tumorcam.readers.samples_table.sample_types import (
    CODE_OF_WORD,
    CODES,
    is_normal,
    is_tumor,
    is_type_word,
    type_code,
    type_name,
)

WORDS = {
    "01": "01;1;1.0;01A;TP;tp;Primary;Tumor;tumour;TUMOR;T;Primary Tumor;Primary solid Tumor;"
    "primary_tumor;Primary-Tumor; Primary  Tumor ",
    "02": "TR;Recurrent Tumor;Recurrence",
    "03": "TB;3.0;Primary Blood Derived Cancer - Peripheral Blood",
    "05": "Additional - New Primary;TAP",
    "06": "6;06B;TM;Metastatic;Metastasis;metastatic tumor",
    "09": "Primary Blood Derived Cancer - Bone Marrow",
    "10": "NB;10A;Blood Derived Normal",
    "11": "NT;Normal;NORMAL;n;Solid Tissue Normal;Normal Tissue;Non-tumor;healthy;control;NAT",
    "40": "Recurrent Blood Derived Cancer - Peripheral Blood",
    "50": "Cell Line;cell_line;CELL",
    "60": "PDX;Xenograft",
}


@pytest.mark.parametrize(
    ("text", "code"), [(text, code) for code, texts in WORDS.items() for text in texts.split(";")]
)
def test_words_and_codes_give_the_code(text, code):
    assert type_code(text) == code


@pytest.mark.parametrize("text", ["Organoid", "RNA", "", "123", "1.5", "FFPE"])
def test_other_texts_stay(text):
    assert type_code(text) == text
    assert not is_type_word(text)


def test_every_code_is_normal_or_a_tumor_or_neither():
    assert {code for code in CODES if is_normal(code)} == {"10", "11", "12", "13", "14"}
    assert not any(is_normal(code) and is_tumor(code) for code in CODES)
    assert {code for code in CODES if not is_normal(code) and not is_tumor(code)} == {
        "20",
        "50",
        "60",
        "61",
    }


def test_no_word_has_two_codes():
    assert len(CODE_OF_WORD) == sum(len(words.split(";")) for words in CODES.values())


def test_a_code_has_a_name():
    assert type_name("03") == "primary blood derived cancer - peripheral blood"
    assert type_name("Organoid") == "Organoid"
