"""Settings of what goes into a run: its name and files, the cohort, the folds and the layouts."""

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
    Unit,
)

TCGA_22_TUMORS = tuple(
    "BLCA BRCA CESC COAD ESCA GBM HNSC KIRC KIRP LAML LGG "
    "LIHC LUAD LUSC OV PAAD PRAD READ SKCM STAD THCA UCEC".split()
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
    """`[input]`: the user's files and the names of their columns."""

    expression: Annotated[
        str,
        Doc("The path of the expression matrix: TSV or CSV (plain or .gz), or .h5ad."),
        FilePath(),
    ] = ""
    samples: Annotated[
        str,
        Doc(
            "The path of the samples table, TSV or CSV; if this is empty, the obs of the .h5ad "
            "file are the table."
        ),
        FilePath(),
    ] = ""
    format: Annotated[
        str,
        Doc("The file format of the expression matrix; auto looks at the file."),
        Choices(("auto", "table", "h5ad")),
    ] = "auto"
    scale: Annotated[
        str,
        Doc(
            "What the values of the matrix are: log2 for log2(x + 1), which stays; counts, which "
            "become counts per million and then log2(x + 1); tpm, fpkm or rsem, which become "
            "log2(x + 1); as_is for any real numbers, which stay."
        ),
        Choices(("log2", "counts", "tpm", "fpkm", "rsem", "as_is")),
    ] = "log2"
    gene_column: Annotated[
        str,
        Doc(
            "The column of the matrix that holds the gene IDs; auto takes the first column, or "
            "the index of the genes in an .h5ad file."
        ),
    ] = "auto"
    sample_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the sample IDs as the matrix spells them; "
            "auto takes the column with most of the matrix's IDs."
        ),
    ] = "auto"
    tumor_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the tumor type; auto looks for a usual "
            "name, such as cancer_type."
        ),
    ] = "auto"
    patient_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the patient; auto looks for a usual name "
            "and else takes the patient from TCGA barcodes."
        ),
    ] = "auto"
    sample_type_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the TCGA sample type code, such as 01 for "
            "a primary tumor; auto looks for a usual name and else takes the code from TCGA "
            "barcodes."
        ),
    ] = "auto"
    source_column: Annotated[
        str,
        Doc(
            "The column of the samples table that holds the source or batch of a sample, by which "
            "the report compares accuracy; auto looks for a usual name and goes on without one."
        ),
    ] = "auto"


@dataclass(frozen=True)
class CohortSettings:
    """`[cohort]`: which samples and genes are kept, and what bad input does."""

    tumors: Annotated[
        tuple[str, ...],
        Doc("The tumor types to keep; an empty list keeps all of them."),
        Items(1000),
    ] = ()
    sample_types: Annotated[
        tuple[str, ...],
        Doc("The sample type codes to keep, such as 01; an empty list keeps all samples."),
        Items(1000),
    ] = ("01",)
    sources: Annotated[
        tuple[str, ...],
        Doc("The sources to keep; an empty list keeps all of them."),
        Items(10_000),
    ] = ()
    genes: Annotated[
        int,
        Doc(
            "The number of genes to keep, the most variable ones; 0 keeps the largest square "
            "number that the matrix allows, up to 107 x 107."
        ),
        Unit("genes"),
        AtLeast(0),
        AtMost(1_000_000),
    ] = 0
    entrapment: Annotated[
        float,
        Doc(
            "The share of the genes whose values are permuted over all samples, as a check: no "
            "ranking should call them; these genes are lost, so take a run of its own for it."
        ),
        AtLeast(0),
        AtMost(0.5),
    ] = 0.0
    duplicates: Annotated[
        str,
        Doc(
            "What happens when a gene or sample occurs twice: error stops the job, drop keeps the "
            "first one and lists the rest."
        ),
        Choices(("error", "drop")),
    ] = "error"
    bad_values: Annotated[
        str,
        Doc(
            "What happens when a value is NaN, infinite or, unless input.scale is as_is, "
            "negative: error stops the job, drop leaves the gene out and lists it."
        ),
        Choices(("error", "drop")),
    ] = "error"
    unlabelled: Annotated[
        str,
        Doc(
            "What happens when a sample has no tumor type or is not in the samples table: error "
            "stops the job, drop leaves the sample out and lists it."
        ),
        Choices(("error", "drop")),
    ] = "error"
    rare_tumors: Annotated[
        str,
        Doc(
            "What happens when a tumor has fewer patients than there are folds: error stops the "
            "job, drop leaves its samples out and lists them."
        ),
        Choices(("error", "drop")),
    ] = "error"


@dataclass(frozen=True)
class SplitSettings:
    """`[splits]`: the folds of patients that are held out in turn."""

    folds: Annotated[
        int,
        Doc(
            "The number of folds into which the patients of each tumor are divided; each network "
            "holds one fold out."
        ),
        Unit("folds"),
        AtLeast(2),
        AtMost(1000),
    ] = 5


@dataclass(frozen=True)
class LayoutSettings:
    """`[layout]`: where genes and decoys stand on the image."""

    kind: Annotated[
        str,
        Doc(
            "The rule that places the genes: random; variance, from the most variable gene down; "
            "coexpression, similar genes side by side; chromosome, in the order of the genome."
        ),
        Choices(("random", "variance", "coexpression", "chromosome")),
    ] = "random"
    annotation: Annotated[
        str,
        Doc(
            'The path of the gene annotation table that layout.kind = "chromosome" needs: TSV or '
            "CSV, plain or .gz, with columns for the gene ID as in the matrix, the chromosome and "
            "the start."
        ),
        FilePath(),
    ] = ""
    spacing: Annotated[
        int,
        Doc(
            "The distance between neighbouring genes on the image; with 2, each window of the "
            "first pooling sees one gene."
        ),
        Unit("pixels"),
        AtLeast(1),
        AtMost(16),
    ] = 1
    replicates: Annotated[
        int,
        Doc("The number of networks that explain each sample, each with a layout of its own."),
        AtLeast(1),
        AtMost(1000),
    ] = 8
    nulls: Annotated[
        int,
        Doc(
            "The number of null runs: each trains all networks again, on labels permuted once, and "
            "so takes as long as the run itself; it may be raised when the run is finished."
        ),
        AtLeast(0),
        AtMost(1000),
    ] = 0
    decoys: Annotated[
        str,
        Doc(
            "The genes that also get a decoy: all, a share of them such as 0.25, which makes a run "
            "cheaper but calls fewer genes, or none."
        ),
    ] = "all"
    decoy_genes: Annotated[
        tuple[str, ...],
        Doc("The genes that get a decoy; an empty list draws them at random."),
        Items(100_000),
    ] = ()


@dataclass(frozen=True)
class SynthesizeSettings:
    """`[synthesize]`: a made-up cohort with planted driver genes."""

    tumors: Annotated[tuple[str, ...], Doc("The tumor types of the cohort."), Items(1000)] = (
        TCGA_22_TUMORS
    )
    samples_per_tumor: Annotated[
        int,
        Doc("The number of samples of each tumor."),
        Unit("samples"),
        AtLeast(4),
        AtMost(100_000),
    ] = 60
    genes: Annotated[
        int,
        Doc("The number of genes in the matrix, before cohort.genes chooses among them."),
        Unit("genes"),
        AtLeast(16),
        AtMost(1_000_000),
    ] = 1500
    drivers: Annotated[
        int,
        Doc("The number of driver genes that are planted in each tumor."),
        Unit("genes"),
        AtLeast(1),
        AtMost(100_000),
    ] = 20
    effect: Annotated[
        float,
        Doc("The mean rise of a driver gene's log2 expression in its tumor."),
        Unit("within-tumor SD"),
        AtLeast(0),
        AtMost(100),
    ] = 2.0
    proxies: Annotated[
        int,
        Doc(
            "The largest number of proxies of a driver: genes of its co-expression module, to "
            "which its rise is passed on, weakened by their correlation with it."
        ),
        Unit("genes"),
        AtLeast(0),
        AtMost(1000),
    ] = 2
    shared_drivers: Annotated[
        float,
        Doc("The share of drivers that confusable tumors, such as COAD and READ, have in common."),
        AtLeast(0),
        AtMost(1),
    ] = 0.5
    batches: Annotated[
        int,
        Doc("The number of technical batches, which do not depend on the tumor."),
        AtLeast(1),
        AtMost(1000),
    ] = 4
    permute_labels: Annotated[
        bool,
        Doc("If true, the labels are shuffled after planting, which makes a null cohort."),
    ] = False
