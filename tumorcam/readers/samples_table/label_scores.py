"""How well the columns of a samples table fit as tumor types, by content more than by name."""

import re

import pandas as pd

from tumorcam.readers.column_names import TUMOR, plain_spelling
from tumorcam.readers.samples_table.identifiers import identify
from tumorcam.readers.samples_table.sample_types import is_type_word
from tumorcam.readers.samples_table.tumor_names import tumor_code

MAX_CLASSES = 200  # different values of a column of tumor types
MAX_SPELLINGS = 3 * MAX_CLASSES  # different texts of a column of tumor types
CODES, DISEASES, WORDS = 10.0, 6.0, 1.0  # points for cells that are codes, diseases, other words
NUMBERS = 0.5  # points for whole numbers, under a usual name that speaks of tumors only
NAME_POINTS = 4.0  # for the best usual name; less for the later ones
HINT_POINTS = 1.5  # for a name that speaks of tumors
MIN_DISEASES = 4.0  # content that makes any column a candidate: 6 of 10 values are diseases
USUAL = (  # in plain spelling, the best one first
    *TUMOR,
    *"cancertypeacronym studyabbreviation primarydiseaseortissue oncotreeprimarydisease "
    "cancertypedetailed detailedcategory diagnosis primarydiagnosis histology histologicaltype "
    "oncotreecode oncotreelineage lineage subtype type class group smts smtsd tissue".split(),
)
HINTS = re.compile(
    r"tumou?r|cancer|disease|histolog|diagnos|oncotree|lineage|project|type|class|smts|label|"
    r"tissue|site",
    re.IGNORECASE,
)
OTHER_WORDS = frozenset(  # in names of columns that hold something else
    "gender sex race ethnic ethnicity vital status stage grade ajcc pathologic clinical age split "
    "splits fold folds train batch plate center centre source library platform date year days time "
    "country treatment response drug therapy outcome event smoking smoker margin laterality uuid "
    "file md5 vial portion aliquot program method morphology icd os dfi dss pfi barcode patient "
    "cluster quality level score".split()
)
DISEASE = re.compile(
    r"carcinoma|adenoma|sarcoma|lymphoma|leuk(?:a?e)mia|myeloma|melanoma|glioma|blastoma|"
    r"mesothelioma|thymoma|cancer|neoplasm|tumou?r|seminoma|paraganglioma|cholangio",
    re.IGNORECASE,
)
GENERIC = re.compile(  # groups of diseases, as the GDC's disease_type has them
    r"(?:\w+, )*(?:\w+ and )*(?:adenomas and adenocarcinomas|ductal and lobular neoplasms|"
    r"cystic.*|epithelial neoplasms.*|squamous cell neoplasms|gliomas|nevi and melanomas|"
    r"complex mixed and stromal neoplasms|myeloid leukemias|other)",
    re.IGNORECASE,
)
FLAGS = frozenset(
    "yes no true false y n t f 0 1 male female m alive dead living deceased train test "
    "validation val training tumor normal primary metastatic present absent positive negative "
    "with without low high elevated left right bilateral tcga gtex target cptac".split()
) | {"tumor free", "with tumor"}
MIN_OF_CLASS = 3  # samples of a class, on average
CLEAR = re.compile(
    r"tumou?r|cancer|disease|diagnos|histolog|oncotree|subtype|lineage|label|smts|acronym",
    re.IGNORECASE,
)
STAGE = re.compile(
    r"(?:stage|grade|t|n|m|g)?\s*[-_]?(?:0|i{1,3}v?|iv|[0-4x])[a-c]?[0-9]?", re.IGNORECASE
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)


def score(name: str, cells: pd.Series) -> float:
    """How well a column fits as the tumor type; 0 or less if it cannot be.

    Columns of flags, stages, sexes, measurements, sample types and IDs, and constant ones, cannot
    be; nor those of words that are no diseases, unless their name is a usual one.

    Parameters
    ----------
    name : str
        The column's name.
    cells : (rows,) str
        Its cells; the empty text is missing.
    """
    counts = cells[cells != ""].value_counts()
    n = int(counts.sum())
    labels = [str(label) for label in counts.index]
    if not 2 <= len(labels) <= MAX_SPELLINGS:
        return 0
    keys = pd.Series([label_key(label) for label in labels])
    sizes = counts.groupby(keys.to_numpy()).sum()
    spelling = plain_spelling(name)
    is_usual = spelling in USUAL
    content = _content_points(labels, is_usual, may_be_numbers=bool(HINTS.search(name)))
    is_sparse = len(sizes) > max(2, n / 2) and content < CODES
    if content <= 0 or is_sparse or not 2 <= len(sizes) <= MAX_CLASSES:
        return 0
    if content < CODES and not is_usual and (content < MIN_DISEASES or _speaks_of_others(name)):
        return 0
    points = content + (HINT_POINTS if HINTS.search(name) else 0)
    if is_usual:
        points += NAME_POINTS * (1 - USUAL.index(spelling) / len(USUAL))
    share_of_several = float(sizes[sizes > 1].sum()) / n
    return points * n / len(cells) * (1 + share_of_several) / 2


def is_weak(name: str, cells: pd.Series) -> bool:
    """Whether a column has neither diseases nor a name that speaks of them, such as study."""
    labels = [str(label) for label in cells[cells != ""].unique()]
    content = _content_points(labels, is_usual=True, may_be_numbers=True)
    is_named = CLEAR.search(name) is not None and content > NUMBERS
    return content <= WORDS and not is_named


def may_be_classes(name: str, cells: pd.Series) -> bool:
    """Whether a column divides the samples by words, whatever its name, as tumor types do."""
    counts = cells[cells != ""].value_counts()
    labels = [str(label) for label in counts.index]
    if not 2 <= len(labels) <= min(MAX_CLASSES, counts.sum() / MIN_OF_CLASS) or _speaks_of_others(
        name
    ):
        return False
    return _content_points(labels, is_usual=False, may_be_numbers=False) > 0


def _speaks_of_others(name: str) -> bool:
    """Whether the name of a column has a word for something else than tumors, such as age."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)
    return not OTHER_WORDS.isdisjoint(word.lower() for word in words)


def label_key(label: str) -> str:
    """What is equal in all spellings of a label: 0 and 0.0, brca and TCGA-BRCA."""
    code = tumor_code(label)
    if code:
        return code
    whole = re.fullmatch(r"(-?\d+)\.0+", label)
    return whole[1] if whole else " ".join(re.sub(r"[\s_]+", " ", label).split()).lower()


def _content_points(labels: list[str], is_usual: bool, *, may_be_numbers: bool) -> float:
    """Points for what the distinct values of a column are; 0 if they are no tumors."""
    n = len(labels)
    if sum(tumor_code(label) != "" for label in labels) * 2 >= n:
        return CODES
    lowered = {label.lower() for label in labels}
    if lowered <= FLAGS:
        return NUMBERS if is_usual and lowered <= {"0", "1"} else 0
    words = {word for label in labels for word in label.split(", ")}
    if all(map(is_type_word, words)) or any(map(identify, labels)):
        return 0
    if all(NUMBER.fullmatch(label) for label in labels):
        is_coded = is_usual and may_be_numbers and all(float(x).is_integer() for x in labels)
        return NUMBERS if is_coded else 0
    if not is_usual and all(STAGE.fullmatch(label) for label in labels):
        return 0
    if sum(bool(GENERIC.fullmatch(label)) for label in labels) * 2 >= n:
        return WORDS
    share = sum(bool(DISEASE.search(label)) for label in labels) / n
    return WORDS + (DISEASES - WORDS) * share
