"""Several aliquots of one sample: which of them is kept."""

import re

import numpy as np
import pandas as pd

from tumorcam.readers.samples_table.identifiers import identify

ALIQUOT = re.compile(r"TCGA-\w\w-\w{4}-\d\d[A-Z]-(\d\d)([A-Z])-(\w{4})-\d\d")


def latest_aliquots(samples: pd.DataFrame) -> np.ndarray:
    """(samples,) bool: one sample of each patient and sample type, the latest aliquot.

    The rule is that of Firehose: of RNA the analytes H, R and T in that order of preference, then
    the highest plate and portion of the barcode. Of IDs that are no aliquot barcodes the last one
    by name is kept.

    Parameters
    ----------
    samples : DataFrame
        With the columns sample, patient and sample_type (str).

    References
    ----------
    Broad Institute GDAC, "Replicate samples",
    https://confluence.broadinstitute.org/display/GDAC/FAQ.
    """
    order = sorted(range(len(samples)), key=lambda i: _rank(samples["sample"].iloc[i]))
    ordered = samples[["patient", "sample_type"]].iloc[order]
    is_kept = np.zeros(len(samples), bool)
    is_kept[np.array(order)[~ordered.duplicated(keep="last").to_numpy()]] = True
    return is_kept


def _rank(name: str) -> tuple[int, str, str, str]:
    """What orders the aliquots of a sample; the one to keep is the last."""
    identity = identify(name)
    match = ALIQUOT.fullmatch(identity.key if identity else name)
    if match is None:
        return (0, "", "", name)
    portion, analyte, plate = match.groups()
    return ({"H": 3, "R": 2, "T": 1}.get(analyte, 0), plate, portion, name)
