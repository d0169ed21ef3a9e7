"""Settings of the cohort: its samples and genes, the folds, and the layouts."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import (
    AtLeast,
    AtMost,
    Choices,
    Doc,
    FilePath,
    Items,
    Unit,
)


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
        Doc(
            "The sample types to keep: tumor for the type that makes each tumor one (primary "
            "tumors; blood for leukemias; metastases where a tumor has nothing else); codes or "
            "words, such as 01 or Primary Tumor; SKCM:06 adds a type for one tumor; an empty list "
            "keeps all samples that are not known to be normal."
        ),
        Items(1000),
    ] = ("tumor",)
    normals: Annotated[
        str,
        Doc(
            "What happens to normal samples that cohort.sample_types does not name: labelled keeps "
            "those whose label says normal as a class and leaves out the others; class makes all "
            "of them one more class, Normal, in the folds of their patients; drop leaves all out."
        ),
        Choices(("labelled", "class", "drop")),
    ] = "labelled"
    patients: Annotated[
        str,
        Doc(
            "What happens to samples whose patient is not known: error stops the job, samples "
            "takes each of them as a patient, which is right only if no patient gave two."
        ),
        Choices(("error", "samples")),
    ] = "error"
    aliquots: Annotated[
        str,
        Doc(
            "What happens to several aliquots of one sample: all keeps them, in the same fold; "
            "latest keeps the one with the highest plate and portion, as Firehose does."
        ),
        Choices(("all", "latest")),
    ] = "all"
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
            "What happens when a gene or sample occurs twice: error stops the job; drop keeps the "
            "most variable gene and the first sample, as max_variance does; first keeps the first; "
            "mean and sum merge them, genes on the linear scale, samples as the file has them."
        ),
        Choices(("error", "drop", "first", "mean", "sum", "max_variance")),
    ] = "error"
    bad_values: Annotated[
        str,
        Doc(
            "What happens when a value is missing, infinite, too large for a logarithm or, unless "
            "input.scale allows it, "
            "negative: error stops the job; drop_genes and drop_samples leave out every gene or "
            "sample with such a value; drop leaves out those with more than cohort.bad_share of "
            "them and repairs the rest, as repair does: negative values become 0, missing ones the "
            "gene's mean over the other samples, and a gene that a whole tumor lacks is left out."
        ),
        Choices(("error", "drop", "drop_genes", "drop_samples", "repair")),
    ] = "error"
    bad_share: Annotated[
        float,
        Doc(
            'The share of bad values above which bad_values = "drop" leaves out a sample, and then '
            "a gene."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.1
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
