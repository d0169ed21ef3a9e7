"""Types of samples in words and codes, as the code tables of TCGA number them."""

import re

NUMERIC_CODE = re.compile(r"(\d{1,2})(?:\.0+)?[A-Z]?")  # 01, 1, 1.0 (by a spreadsheet), 01A
CODES = {  # gdc.cancer.gov/resources-tcga-users/tcga-code-tables/sample-type-codes
    "01": "TP;primary solid tumor;primary tumor;primary;tumor;tumour;cancer;malignant;t",
    "02": "TR;recurrent solid tumor;recurrent tumor;recurrent;recurrence",
    "03": "TB;primary blood derived cancer - peripheral blood;primary blood derived cancer",
    "04": "TRBM;recurrent blood derived cancer - bone marrow",
    "05": "TAP;additional - new primary;additional new primary",
    "06": "TM;metastatic;metastasis;metastatic tumor",
    "07": "TAM;additional metastatic",
    "08": "THOC;human tumor original cells",
    "09": "TBM;primary blood derived cancer - bone marrow",
    "10": "NB;blood derived normal",
    "11": "NT;solid tissue normal;normal;normal tissue;adjacent normal;matched normal;"
    "tumor adjacent normal;control;healthy;n",
    "12": "NBC;buccal cell normal",
    "13": "NEBV;ebv immortalized normal",
    "14": "NBM;bone marrow normal",
    "20": "CELLC;control analyte",
    "40": "TRB;recurrent blood derived cancer - peripheral blood",
    "50": "CELL;cell line;cell lines",
    "60": "XP;primary xenograft tissue;xenograft;pdx",
    "61": "XCL;cell line derived xenograft tissue",
}
CODE_OF_WORD = {word.lower(): code for code, words in CODES.items() for word in words.split(";")}
NORMALS = frozenset(("10", "11", "12", "13", "14"))
# By which a tumor is one: the first of these types that it has.
TUMOR_ORDER = ("01", "03", "09", "06", "02", "05", "07", "04", "40", "08")


def type_code(text: str) -> str:
    """The TCGA code of a sample type, such as "01" for "1.0", "01A", "TP" or "Primary Tumor".

    Other texts, such as "Organoid", stay as they are.
    """
    stripped = text.strip()
    digits = NUMERIC_CODE.fullmatch(stripped)
    if digits:
        return digits[1].zfill(2)
    return CODE_OF_WORD.get(" ".join(stripped.lower().replace("_", " ").split()), stripped)


def is_type_word(text: str) -> bool:
    """Whether a text names a type of sample in words."""
    return " ".join(text.strip().lower().replace("_", " ").split()) in CODE_OF_WORD


def is_normal(code: str) -> bool:
    """Whether a code is one of normal tissue or blood."""
    return code in NORMALS
