"""IDs of samples in any spelling: barcodes of TCGA and TARGET, IDs of GTEx and CPTAC, others."""

import functools
import re
from typing import NamedTuple

SEPARATORS = re.compile(r"[\s._\u00a0-]+")
NUMBER = re.compile(r"0*(\d+)(?:\.0+)?")  # 0001, 1 and 1.0 are one ID
R_PREFIX = re.compile(r"X(?=\d)")  # R's make.names puts it before a digit
QUOTES = "\"'` \t\r\n\u00a0"
TCGA_LENGTHS = (12, 15, 16, 20, 28)  # characters of a patient, sample, vial, portion and aliquot

# gdc.cancer.gov/resources-tcga-users/tcga-code-tables
_TAIL = r"(?:-(\d\d)(?:[A-Z](?:-\d\d[A-Z]?(?:-[A-Z0-9]{4}(?:-\d\d)?)?)?)?)?"
TCGA = re.compile(rf"(TCGA-[A-Z0-9]{{2}}-[A-Z0-9]{{4}}){_TAIL}")
# ocg.cancer.gov/programs/target/using-target-data
TARGET = re.compile(r"(TARGET-\d\d-[A-Z0-9]{5,7})(?:-(\d\d)(?:[A-Z](?:-\d\d[A-Z]?)?)?)?")
GTEX = re.compile(r"(GTEX-[A-Z0-9]{4,6})(?:-\d{4}(?:-[A-Z0-9]+)*)?")  # gtexportal.org, SAMPID
CPTAC = re.compile(r"(C3[LN]-\d{5})(?:-(\d\d|[TN]))?")  # proteomic.datacommons.cancer.gov
CPTAC_TYPES = {"T": "01", "N": "11"}
NORMAL_TISSUE = "11"


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
        The TCGA code, such as "01"; empty if the barcode has none.
    """

    program: str
    key: str
    patient: str
    sample_type: str


@functools.lru_cache(2**18)
def identify(name: str) -> Identity | None:
    """What a name says if it is a barcode, or a file name with a barcode inside; else None."""
    key = SEPARATORS.sub("-", name.strip(QUOTES).upper())
    return _of_key(key) or _of_key(R_PREFIX.sub("", key, count=1)) or _inside(key)


@functools.lru_cache(2**18)
def canonical(name: str) -> str:
    """A name in the spelling in which equal IDs are equal: capitals, dashes, no X before digits."""
    identity = identify(name)
    if identity is not None:
        return identity.key
    text = name.strip(QUOTES)
    number = NUMBER.fullmatch(R_PREFIX.sub("", text, count=1))
    if number:
        return number[1]
    return R_PREFIX.sub("", SEPARATORS.sub("-", text.upper()), count=1)


def levels(identity: Identity) -> list[str]:
    """The barcode at each length that it has, the patient first: what it may be joined by."""
    if identity.program == "TCGA":
        lengths = [n for n in TCGA_LENGTHS if n <= len(identity.key)]
        return [identity.key[:n] for n in lengths] or [identity.key]
    parts = identity.key[len(identity.patient) :].strip("-").split("-")
    steps = [identity.patient]
    for part in filter(None, parts):
        if identity.program == "TARGET" and len(steps) == 1 and len(part) > 2:
            steps.append(f"{steps[-1]}-{part[:2]}")
            steps.append(f"{identity.patient}-{part}")
        else:
            steps.append(f"{steps[-1]}-{part}")
    return steps


def _of_key(key: str) -> Identity | None:
    if match := TCGA.fullmatch(key):
        return Identity("TCGA", key, match[1], match[2] or "")
    if match := TARGET.fullmatch(key):
        return Identity("TARGET", key, match[1], match[2] or "")
    if match := GTEX.fullmatch(key):
        return Identity("GTEx", key, match[1], NORMAL_TISSUE)
    if match := CPTAC.fullmatch(key):
        code = match[2] or ""
        return Identity("CPTAC", key, match[1], CPTAC_TYPES.get(code, ""))
    return None


def _inside(key: str) -> Identity | None:
    """The TCGA barcode inside a longer text; what else there is must have letters."""
    match = re.search(rf"(?:^|-){TCGA.pattern}(?=-|$)", key)
    if match is None:
        return None
    barcode = match[0].strip("-")
    others = key.replace(barcode, "", 1)
    return _of_key(barcode) if re.search("[A-Z]", others) else None
