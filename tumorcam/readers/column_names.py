"""Columns of other people's tables, recognised by the names that such columns usually have."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.wording import listed_columns

AUTO = "auto"  # value of a setting that leaves the choice of a column to its reader

# Usual names of a column, the best one first, in the form that `plain_spelling` gives.
SAMPLE = tuple(
    "obsnames sampleid sample samplebarcode barcode tcgabarcode aliquot samplename samples "
    "samplesubmitterid id index".split()
)
TUMOR = tuple(
    "tumortype tumor tumour tumourtype cancertype cancertypeabbreviation cancer disease "
    "diseasecode acronym projectid project study cohort primarydisease label".split()
)
PATIENT = tuple(
    "patient patientid patientbarcode bcrpatientbarcode caseid case casesubmitterid "
    "participant individual donor subject".split()
)
SAMPLE_TYPE = tuple("sampletypecode sampletypeid sampletype".split())
SOURCE = tuple("source batch dataset".split())
CHROMOSOME = tuple(
    "chromosome chr chrom chromosomename chromosomescaffoldname seqname seqnames seqid".split()
)
START = tuple("start genestart startposition genestartbp txstart chromstart startbp".split())
GENE_ID = tuple(
    "symbol genesymbol hgncsymbol genename externalgenename gene name "
    "ensembl ensemblid ensemblgene ensemblgeneid ensgene genestableid genestableidversion geneid "
    "entrez entrezid entrezgene entrezgeneid ncbigene ncbigeneid ncbigeneformerlyentrezgeneid "
    "id".split()
)

SYNONYMS = tuple(
    "synonyms synonym alias aliases aliassymbol aliassymbols genesynonym genesynonyms prevsymbol "
    "previoussymbols previoussymbol".split()
)


def plain_spelling(name: str) -> str:
    """The name of a column in lower case, without blanks and punctuation."""
    return re.sub(r"[\W_]", "", name).lower()


def usual_columns(table: pd.DataFrame, usual_names: Sequence[str]) -> list[str]:
    """The columns of a table that have a usual name, the best one first.

    Parameters
    ----------
    usual_names : sequence of str
        In plain spelling and in order of preference, such as SAMPLE.
    """
    spelling = {name: plain_spelling(name) for name in table.columns}
    usual = [name for name in spelling if spelling[name] in usual_names]
    return sorted(usual, key=lambda name: usual_names.index(spelling[name]))


def require_column(table: pd.DataFrame, column: str, setting: str, path: Path) -> None:
    """Check that a table has the column that a setting names.

    Parameters
    ----------
    setting : str
        Such as "input.tumor_column".
    path : Path
        File of the table.

    Raises
    ------
    InputError
        If the table has no such column.
    """
    if column not in table.columns:
        msg = (
            f"{path} has no column {quoted(column)} as {setting} says; its columns are "
            f"{listed_columns(table.columns)}; set {setting} to one of them"
        )
        raise InputError(msg)


def cells_of(table: pd.DataFrame, column: str) -> pd.Series:
    """The texts of a column without blanks around them; a missing value is the empty text.

    Where several columns have the same name, the first counts.
    """
    return blank_missing(table.loc[:, table.columns == column].iloc[:, 0])
