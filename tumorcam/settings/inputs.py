"""Settings of the user's files: the name of the run, and how its input is read."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import (
    AtLeast,
    AtMost,
    Choices,
    Doc,
    FileName,
    FilePath,
    Items,
    OrOneText,
    Unit,
)

SCALES = tuple(
    "log2 counts expected_counts tpm fpkm rsem scaled_estimate log2_counts log_e log2_tpm_001 "
    "as_is".split()
)


@dataclass(frozen=True)
class RunSettings:
    """`[run]`: the name, the folder, the seed and the threads."""

    name: Annotated[str, Doc("The name of the run, which its report shows."), FileName()] = "run"
    folder: Annotated[
        str,
        Doc("The folder of all files of the run; if this is empty, it is runs/NAME."),
        FilePath(),
    ] = ""
    seed: Annotated[
        int,
        Doc("All random numbers of the run follow from the seed, so equal seeds repeat a run."),
        AtLeast(0),
        AtMost(2**63 - 1),
    ] = 1
    threads_per_rank: Annotated[
        int,
        Doc("The number of threads on which each process computes, in TensorFlow as in BLAS."),
        Unit("threads"),
        AtLeast(1),
        AtMost(1024),
    ] = 2


@dataclass(frozen=True)
class InputSettings:
    """`[input]`: the user's files, how they are read, and the names of their columns."""

    expression: Annotated[
        tuple[str, ...],
        Doc(
            "The paths of the expression matrix: one file, several that are joined by sample or by "
            "gene, a folder, or a pattern such as counts/*.tsv.gz."
        ),
        FilePath(),
        Items(100_000),
        OrOneText(),
    ] = ()
    samples: Annotated[
        tuple[str, ...],
        Doc(
            "The paths of the samples table, or of several that are joined; empty where the "
            "expression matrix itself says what its samples are, as .h5ad does."
        ),
        FilePath(),
        Items(100),
        OrOneText(),
    ] = ()
    format: Annotated[
        str,
        Doc("The format of the expression matrix; auto looks at the content."),
        Choices(("auto", "table", "h5ad")),
    ] = "auto"
    orientation: Annotated[
        str,
        Doc("What the rows of the matrix are; auto looks for the IDs of the samples."),
        Choices(("auto", "genes_in_rows", "samples_in_rows")),
    ] = "auto"
    delimiter: Annotated[
        str,
        Doc("What stands between the cells of a text file; auto decides over many rows."),
        Choices(("auto", "tab", "comma", "semicolon", "blanks")),
    ] = "auto"
    decimal: Annotated[
        str,
        Doc("What stands between the digits of a number; auto decides over many rows."),
        Choices(("auto", "point", "comma")),
    ] = "auto"
    scale: Annotated[
        str,
        Doc(
            "What the values are: log2 for log2(x + 1), which stays; counts; expected_counts "
            "for those of RSEM, salmon or kallisto, which need not be whole; log2_counts for "
            "log2(count + 1); tpm, fpkm, rsem; scaled_estimate, which is TPM divided by a million; "
            "log_e for the natural log(x + 1) of scanpy; log2_tpm_001 for log2(TPM + 0.001) of "
            "UCSC's Toil; as_is for any real numbers, such as z-scores, which stay; all but as_is "
            "become log2(x + 1), counts after normalisation; a scale that the values contradict is "
            "an error."
        ),
        Choices(SCALES),
    ] = "log2"
    normalisation: Annotated[
        str,
        Doc(
            "How counts are made comparable between samples: cpm divides by the library size; tmm "
            "(edgeR) and median_of_ratios (DESeq2) also correct its composition."
        ),
        Choices(("cpm", "tmm", "median_of_ratios")),
    ] = "cpm"
    layer: Annotated[
        str,
        Doc('The matrix of an .h5ad file: X, raw, or the name of a layer such as "counts".'),
    ] = "X"
    measure: Annotated[
        str,
        Doc(
            "The measure to read where a file has several for each sample, such as "
            "tpm_unstranded of GDC's STAR counts; auto takes the one that fits input.scale."
        ),
    ] = "auto"
    gene_column: Annotated[
        str,
        Doc(
            "The column of the matrix that holds the gene IDs; auto takes the one that has most "
            "distinct IDs of genes, or the index of the genes in an .h5ad file."
        ),
    ] = "auto"
    gene_table: Annotated[
        str,
        Doc(
            "The path of a table that maps the gene IDs of the matrix to the names that the report "
            "shows, such as Ensembl IDs or transcripts to symbols; empty keeps the IDs."
        ),
        FilePath(),
    ] = ""
    excel_dates: Annotated[
        str,
        Doc(
            "What happens to gene names that Excel turned into dates, such as 1-Mar: error stops "
            "the job, restore gives them back the name, keep leaves them."
        ),
        Choices(("error", "restore", "keep")),
    ] = "error"
    sample_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the sample IDs as the matrix spells them; "
            "auto takes the column with most of the matrix's IDs, in any spelling."
        ),
    ] = "auto"
    tumor_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the tumor type; auto compares the columns "
            "by their content and names."
        ),
    ] = "auto"
    patient_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the patient; auto takes the patient from "
            "barcodes (TCGA, TARGET, GTEx), else from a column with a usual name."
        ),
    ] = "auto"
    sample_type_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the type of a sample, as a code or in "
            "words, such as 01 or Primary Tumor; auto looks for a usual name and else takes the "
            "code from barcodes."
        ),
    ] = "auto"
    source_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the source or batch of a sample, by which "
            "the report compares accuracy; auto looks for a usual name and goes on without one."
        ),
    ] = "auto"
