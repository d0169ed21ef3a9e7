"""Types of samples in words and codes, as the code tables of TCGA and TARGET number them."""

import re

NUMERIC_CODE = re.compile(r"(\d{1,2})(?:\.0+)?[A-Z]?")  # 01, 1, 1.0 (by a spreadsheet), 01A
# gdc.cancer.gov/resources-tcga-users/tcga-code-tables/sample-type-codes; 41 and 42 are TARGET's.
# The first word is the short letter code, the second the name.
CODES = {
    "01": "TP;primary solid tumor;primary tumor;primary;tumor;tumour;primary tumour;tumor tissue;"
    "primary cancer;cancer;malignant;primary solid tumour;primary malignancy;t;case",
    "02": "TR;recurrent solid tumor;recurrent tumor;recurrent;recurrence;local recurrence;relapse",
    "03": "TB;primary blood derived cancer - peripheral blood;primary blood derived cancer",
    "04": "TRBM;recurrent blood derived cancer - bone marrow",
    "05": "TAP;additional - new primary;new primary",
    "06": "TM;metastatic;metastasis;metastatic tumor;metastatic tumour;met;mets;distant metastasis",
    "07": "TAM;additional metastatic",
    "08": "THOC;human tumor original cells",
    "09": "TBM;primary blood derived cancer - bone marrow",
    "10": "NB;blood derived normal;peripheral blood normal",
    "11": "NT;solid tissue normal;normal;normal tissue;adjacent normal;matched normal;"
    "tumor adjacent normal;adjacent normal tissue;normal adjacent tissue;normal adjacent;nat;"
    "non tumor;nontumor;non tumour;non malignant;control;healthy;healthy control;n",
    "12": "NBC;buccal cell normal",
    "13": "NEBV;ebv immortalized normal",
    "14": "NBM;bone marrow normal",
    "20": "CELLC;control analyte",
    "40": "TRB;recurrent blood derived cancer - peripheral blood",
    "41": "TBPT;blood derived cancer - bone marrow, post treatment",
    "42": "TPPT;blood derived cancer - peripheral blood, post treatment",
    "50": "CELL;cell line;cell lines;cellline",
    "60": "XP;primary xenograft tissue;xenograft;pdx;patient derived xenograft",
    "61": "XCL;cell line derived xenograft tissue",
}
SOLID_NORMAL = "11"
NORMAL_WORDS = re.compile(  # in texts that are no word of the code tables
    r"\b(?:normals?|healthy|nat|non ?(?:tumou?r|cancer|malign|neoplas)\w*|paracancer\w*|"
    r"peritumou?r\w*)\b"
)
SEVERAL = re.compile("[,;|/]")  # a sheet's "Primary Tumor, Blood Derived Normal"
NORMALS = frozenset(("10", "11", "12", "13", "14"))
# The type by which a tumor is one: the first of these that it has.
TUMOR_ORDER = ("01", "03", "09", "06", "02", "05", "07", "04", "40", "41", "42", "08")


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\s._\-\u2010-\u2015]+", " ", text.lower()).split())


CODE_OF_WORD = {_plain(word): code for code, words in CODES.items() for word in words.split(";")}


def type_code(text: str) -> str:
    """The TCGA code of a sample type, such as "01" for "1.0", "01A", "TP" or "Primary Tumor".

    "Tumor" without more counts as primary, "01". Other texts, such as "Organoid", stay as they are.
    """
    stripped = text.strip()
    digits = NUMERIC_CODE.fullmatch(stripped)
    if digits:
        return digits[1].zfill(2)
    words = _plain(stripped)
    if words in CODE_OF_WORD or SEVERAL.search(stripped):
        return CODE_OF_WORD.get(words, stripped)
    return SOLID_NORMAL if NORMAL_WORDS.search(words) else stripped


def is_type_word(text: str) -> bool:
    """Whether a text names a type of sample in words."""
    return _plain(text) in CODE_OF_WORD


def is_normal(code: str) -> bool:
    """Whether a code is one of normal tissue or blood."""
    return code in NORMALS


def is_tumor(code: str) -> bool:
    """Whether a code is one of a patient's tumor; cell lines and xenografts are none."""
    return code in TUMOR_ORDER


def type_name(code: str) -> str:
    """The name of a code, such as "primary solid tumor"; other texts stay as they are."""
    return CODES[code].split(";")[1] if code in CODES else code
