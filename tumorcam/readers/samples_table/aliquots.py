"""Several aliquots of one sample: which of them is kept."""

import re
from collections import defaultdict

import numpy as np
import pandas as pd

from tumorcam.readers.samples_table.identifiers import identify

ANALYTE = re.compile(r"TCGA-\w\w-\w{4}-\d\d[A-Z]-\d\d([A-Z])(?:-(\w{4}))?.*")
RNA_ANALYTES = "TRH"  # from the last choice to the first
LENGTH_WITH_TYPE = 15  # characters of a barcode that ends in the type of sample


def latest_aliquots(samples: pd.DataFrame) -> np.ndarray:
    """(samples,) bool: of each patient and sample type of TCGA one sample, the latest aliquot.

    The rule is that of Firehose. Where the analytes of RNA differ, H comes before R and R before T,
    then the higher plate. Else, and of equal ones, the barcode that is last by name is kept: it has
    the highest vial, portion and plate. Samples without a barcode of TCGA that names a vial are all
    kept, since nothing tells that two of them are aliquots of one sample.

    Parameters
    ----------
    samples : DataFrame
        With the columns sample, patient and sample_type (str).

    References
    ----------
    Broad Institute GDAC Firehose, Replicate Samples,
    https://gdac.broadinstitute.org/runs/gdc/report_2017_07_22/TCGA-LAML_Replicate_Samples.html
    """
    is_kept = np.ones(len(samples), bool)
    groups = defaultdict[tuple[str, str], list[tuple[int, str]]](list)
    table = samples[["sample", "patient", "sample_type"]]
    for row, (name, patient, kind) in enumerate(table.to_numpy().tolist()):
        identity = identify(name)
        if identity and identity.program == "TCGA" and len(identity.key) > LENGTH_WITH_TYPE:
            groups[patient, kind].append((row, identity.key))
    for group in groups.values():
        rows = [row for row, _ in group]
        is_kept[rows] = False
        is_kept[rows[_latest([barcode for _, barcode in group])]] = True
    return is_kept


def _latest(barcodes: list[str]) -> int:
    """The position of the barcode to keep."""
    parts = [match.groups("") if (match := ANALYTE.fullmatch(b)) else ("", "") for b in barcodes]
    ranks = [RNA_ANALYTES.find(analyte) if analyte else -1 for analyte, _ in parts]
    if len(set(ranks)) == 1:
        return max(range(len(barcodes)), key=barcodes.__getitem__)
    return max(range(len(barcodes)), key=lambda i: (ranks[i], parts[i][1], barcodes[i]))
