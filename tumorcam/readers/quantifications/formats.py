"""Formats with a file for each sample: GDC STAR counts, RSEM, featureCounts, salmon and others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

COUNTS, TPM, FPKM, RSEM, SCALED = "counts", "tpm", "fpkm", "rsem", "scaled_estimate"


@dataclass(frozen=True, kw_only=True)
class Format:
    """What the columns of a file of one sample mean.

    Attributes
    ----------
    name : str
        Such as "GDC STAR counts".
    genes : str
        The column that holds the IDs of genes or transcripts.
    measures : mapping of str to str
        The columns of values and what `input.scale` calls them, the usual one of a scale first; a
        scale that is not known is the empty text.
    annotation : tuple of str
        Columns that say more of the genes.
    has_transcripts : bool
        Whether the rows are transcripts.
    is_in_folder : bool
        Whether the program writes each sample to a folder of its own.
    first_sample : int
        The first column that belongs to a sample and has its name; 0 if there are none.
    """

    name: str
    genes: str
    measures: Mapping[str, str]
    annotation: tuple[str, ...] = ()
    has_transcripts: bool = False
    is_in_folder: bool = False
    first_sample: int = 0


@dataclass(frozen=True)
class Quantification:
    """A file whose format is known.

    Attributes
    ----------
    columns : list of str
        The names of all columns.
    n_skipped : int
        Lines above the first row of values.
    """

    path: Path
    format: Format
    columns: list[str] = field(default_factory=list)
    n_skipped: int = 0


STAR_MEASURES = ("unstranded", "stranded_first", "stranded_second")
RSEM_MEASURES = {"expected_count": COUNTS, "TPM": TPM, "FPKM": FPKM}
LEGACY_MEASURES = {"raw_count": COUNTS, "scaled_estimate": SCALED}
WITH_HEADER = (
    Format(
        name="GDC STAR counts",
        genes="gene_id",
        measures={
            **dict.fromkeys(STAR_MEASURES, COUNTS),
            "tpm_unstranded": TPM,
            "fpkm_unstranded": FPKM,
            "fpkm_uq_unstranded": FPKM,
        },
        annotation=("gene_name", "gene_type"),
    ),
    Format(
        name="RSEM isoforms",
        genes="transcript_id",
        measures=RSEM_MEASURES | {"IsoPct": ""},
        annotation=("gene_id",),
        has_transcripts=True,
    ),
    Format(name="RSEM genes", genes="gene_id", measures=RSEM_MEASURES),
    Format(name="TCGA RSEM genes", genes="gene_id", measures=LEGACY_MEASURES),
    Format(name="TCGA RSEM normalized genes", genes="gene_id", measures={"normalized_count": RSEM}),
    Format(
        name="TCGA RSEM isoforms",
        genes="isoform_id",
        measures=LEGACY_MEASURES,
        has_transcripts=True,
    ),
    Format(
        name="TCGA RSEM normalized isoforms",
        genes="isoform_id",
        measures={"normalized_count": RSEM},
        has_transcripts=True,
    ),
    Format(
        name="salmon quant.sf",
        genes="Name",
        measures={"NumReads": COUNTS, "TPM": TPM},
        has_transcripts=True,
        is_in_folder=True,
    ),
    Format(
        name="kallisto abundance.tsv",
        genes="target_id",
        measures={"est_counts": COUNTS, "tpm": TPM},
        has_transcripts=True,
        is_in_folder=True,
    ),
    Format(
        name="StringTie gene abundances",
        genes="Gene ID",
        measures={"TPM": TPM, "FPKM": FPKM, "Coverage": ""},
        annotation=("Gene Name",),
    ),
    Format(
        name="Cufflinks genes",
        genes="tracking_id",
        measures={"FPKM": FPKM, "FPKM_conf_lo": "", "FPKM_conf_hi": ""},
        annotation=("gene_short_name",),
    ),
)
SALMON_GENES = Format(
    name="salmon quant.genes.sf",
    genes="Name",
    measures={"NumReads": COUNTS, "TPM": TPM},
    is_in_folder=True,
)
FEATURE_COLUMNS = "Geneid Chr Start End Strand Length".split()
FEATURE_COUNTS = Format(
    name="featureCounts",
    genes="Geneid",
    measures={COUNTS: COUNTS},
    first_sample=len(FEATURE_COLUMNS),
)
NAMED_COUNTS = Format(
    name="HTSeq counts with names of genes",
    genes="gene",
    measures={COUNTS: COUNTS},
    annotation=("gene_name",),
)
READS_PER_GENE = Format(
    name="STAR ReadsPerGene.out.tab",
    genes="gene",
    measures=dict.fromkeys(STAR_MEASURES, COUNTS),
)
