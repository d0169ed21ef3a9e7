"""IDs of samples in any spelling: barcodes of TCGA, TARGET, GTEx and CPTAC, and other names."""

import functools
import re
from typing import NamedTuple

# Dots, underscores, blanks of any kind, and the dashes that office programs put in.
SEPARATORS = re.compile(r"[\s._\-\u2010-\u2015\u2212\u00ad]+")
INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
QUOTES = "\"'`\u2018\u2019\u201c\u201d \t\r\n\u00a0"
NUMBER = re.compile(r"0*(\d+)(?:\.0+)?")  # 0001, 1 and 1.0 are one ID
R_PREFIX = re.compile(r"^X(?=\d)")  # R's make.names puts it before a digit
R_DOTS = re.compile(r"[^\w+]+")  # what make.names turns into dots; "+" stays apart from "-"

PROGRAMS = re.compile(r"TCGA|TARGET|GTEX|C3[LN]")  # every barcode has one of these
# gdc.cancer.gov/resources-tcga-users/tcga-code-tables: patient, type, vial, portion, analyte,
# plate, center
_TAIL = r"(?:-(\d\d)(?:[A-Z](?:-\d\d(?:[A-Z](?:-[A-Z0-9]{4}(?:-\d\d)?)?)?)?)?)?"
PATTERNS = {
    "TCGA": re.compile(rf"(TCGA-[A-Z0-9]{{2}}-[A-Z0-9]{{4}}){_TAIL}"),
    # ocg.cancer.gov/programs/target/using-target-data
    "TARGET": re.compile(r"(TARGET-\d\d-[A-Z0-9]{5,7})(?:-(\d\d)(?:[A-Z](?:-\d\d[A-Z]?)?)?)?"),
    # gtexportal.org, SAMPID; recount3 appends .1
    "GTEx": re.compile(
        r"(GTEX-[A-Z0-9]{4,6})()(?:-\d{4}(?:-R\d+[A-Z]?)?(?:-SM-[A-Z0-9]{4,5})?(?:-\d)?)?"
    ),
    # proteomic.datacommons.cancer.gov; digits number the specimens of a patient
    "CPTAC": re.compile(r"(C3[LN]-\d{5})(?:-(\d\d|[TNA]))?"),
}
INSIDE = {
    program: re.compile(rf"(?<![A-Z0-9]){pattern.pattern}(?![A-Z0-9])")
    for program, pattern in PATTERNS.items()
}
CPTAC_TYPES = {"T": "01", "N": "11", "A": "11"}
NORMAL_TISSUE = "11"
_LEVEL = re.compile(r"-\d\d(?=[A-Z](?:-|$))|-?[A-Z0-9]+")  # 01A has two levels, SM only one
COPY = re.compile(r"(?:-\d+)+")  # what pandas and R append to a name that occurs again


class Identity(NamedTuple):
    """What a barcode says.

    Attributes
    ----------
    program : str
        "TCGA", "TARGET", "GTEx" or "CPTAC".
    key : str
        The barcode in capitals with dashes.
    patient : str
        The part that names the patient.
    sample_type : str
        The TCGA code, such as "01"; empty if the barcode has none. Samples of GTEx count as normal
        tissue, "11".
    """

    program: str
    key: str
    patient: str
    sample_type: str


@functools.lru_cache(2**12)
def identify(name: str) -> Identity | None:
    """What a name says if it is a barcode or has just one inside, as file names do; else None.

    The suffix of a repeated name, as in TCGA-02-0001-01.1, is no part of a barcode of TCGA: such a
    name says nothing, for it may be another sample.
    """
    if PROGRAMS.search(name.upper()) is None:
        return None
    key = _spelled(name)
    return _of_key(key) or _inside(key)


@functools.lru_cache(2**12)
def canonical(name: str) -> str:
    """A name in the spelling in which equal IDs are equal: capitals, dashes, no X before digits.

    Numbers lose their leading zeros and an empty fraction, so that 0001, 1 and 1.0 are equal.
    """
    if name.isdigit():
        return name.lstrip("0") or "0"
    if PROGRAMS.search(name.upper()) and _of_key(_spelled(name)):
        return _spelled(name)
    text = R_PREFIX.sub("", INVISIBLE.sub("", name).strip(QUOTES).upper())
    number = NUMBER.fullmatch(text)
    return number[1] if number else SEPARATORS.sub("-", R_DOTS.sub("-", text))


def levels(identity: Identity) -> list[str]:
    """The barcode at each length that it has, from the patient to the whole barcode.

    Parameters
    ----------
    identity : Identity
        Barcodes that agree up to a level belong to one sample, portion or analyte.
    """
    rest = identity.key[len(identity.patient) :]
    if identity.program == "GTEx" and COPY.fullmatch(rest[-2:]):
        return [identity.patient, identity.key]
    keys = [identity.patient]
    for step in _LEVEL.findall(rest):
        keys.append(keys[-1] + step)
    return keys


def _spelled(name: str) -> str:
    return SEPARATORS.sub("-", INVISIBLE.sub("", name).strip(QUOTES).upper())


def _of_key(key: str) -> Identity | None:
    for program, pattern in PATTERNS.items():
        if match := pattern.fullmatch(key):
            return _identity(program, match)
    return None


def _identity(program: str, match: re.Match[str]) -> Identity:
    code = match[2] or ""
    if program == "GTEx":
        code = NORMAL_TISSUE
    elif program == "CPTAC":
        code = CPTAC_TYPES.get(code, "")
    return Identity(program, match[0], match[1], code)


def _inside(key: str) -> Identity | None:
    """The barcode inside a longer text; where there are several, the others must be parts of it."""
    identities = [
        _identity(program, match)
        for program, pattern in INSIDE.items()
        for match in pattern.finditer(key)
    ]
    if not identities:
        return None
    whole = max(identities, key=lambda identity: len(identity.key))
    is_alone = all(whole.key.startswith(identity.key) for identity in identities)
    is_copy = COPY.fullmatch(key.removeprefix(whole.key)) is not None
    return whole if is_alone and not is_copy else None
