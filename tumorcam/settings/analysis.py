"""Settings of what is computed with the trained networks: saliency, tests, checks, the report."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import AtLeast, AtMost, Choices, Doc, FilePath, Items, Unit

METHODS = (
    "guided_grad_cam",
    "guided_backprop",
    "gradient_x_input",
    "grad_cam",
    "gradient",
    "integrated_gradients",
    "smooth_grad",
    "guided_gradient",
    "guided_grad_cam_shared",
)
DEFAULT_METHODS = METHODS[:3]
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ExplainSettings:
    """`[explain]`: saliency of the held-out samples."""

    methods: Annotated[
        tuple[str, ...],
        Doc("The saliency methods by which genes are ranked."),
        Choices(METHODS),
        Items(len(METHODS)),
    ] = DEFAULT_METHODS
    cubes: Annotated[
        tuple[str, ...],
        Doc("The methods whose saliency images of all samples are kept too, as cubes."),
        Choices(METHODS),
        Items(len(METHODS)),
    ] = ("guided_grad_cam",)
    cam_layer: Annotated[
        str,
        Doc("The convolution that Grad-CAM looks at, such as conv1; empty is the last one."),
    ] = ""
    rivals: Annotated[
        int,
        Doc("The number of rivals: other tumors with which each sample's own tumor is contrasted."),
        AtLeast(1),
        AtMost(1000),
    ] = 3
    block: Annotated[
        int,
        Doc("The number of samples in one file of saliency, a shard."),
        Unit("samples"),
        AtLeast(1),
        AtMost(1_000_000),
    ] = 256
    batch_size: Annotated[
        int,
        Doc("The number of samples that are explained at once."),
        Unit("samples"),
        AtLeast(1),
        AtMost(65_536),
    ] = 64
    precision: Annotated[
        str,
        Doc("The floating-point type in which the network computes."),
        Choices(PRECISIONS),
    ] = "float32"
    compression: Annotated[
        str,
        Doc("The compression of the shards."),
        Choices(("gzip", "bitshuffle-lz4", "blosc2-zstd", "none")),
    ] = "bitshuffle-lz4"


@dataclass(frozen=True)
class SignificanceSettings:
    """`[significance]`: what a gene needs to be graded `learned`."""

    q_decoy: Annotated[
        float,
        Doc(
            "A gene is graded learned only if its q_decoy, the false discovery rate measured on "
            "decoys, is at most this."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.05
    q_value: Annotated[
        float,
        Doc(
            "A gene is graded learned only if its q_value, the false discovery rate by the "
            "p-values, is at most this."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.05
    replication: Annotated[
        float,
        Doc(
            "A gene is graded learned only if in at least this share of the networks it stands "
            "above its own decoy."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.5
    recall: Annotated[
        float,
        Doc(
            "A gene is graded learned only if at least this share of its tumor's held-out samples "
            "is classified correctly."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.5
    min_patients: Annotated[
        int,
        Doc("The smallest number of patients for which a tumor gets p-values."),
        Unit("patients"),
        AtLeast(2),
        AtMost(1_000_000),
    ] = 10
    correct_only: Annotated[
        bool,
        Doc("If true, only samples count that the ensemble of networks classifies correctly."),
    ] = False


@dataclass(frozen=True)
class FaithfulnessSettings:
    """`[faithfulness]`: the checks of whether the rankings are right."""

    replicates: Annotated[
        int,
        Doc(
            "The number of replicates, from the first on, whose networks are tested on samples "
            "with changed genes."
        ),
        AtLeast(1),
        AtMost(1000),
    ] = 1
    samples: Annotated[
        int,
        Doc(
            "The largest number of samples of each tumor in which genes are changed; 0 takes all "
            "samples."
        ),
        Unit("samples"),
        AtLeast(0),
        AtMost(1_000_000),
    ] = 0
    markers: Annotated[
        str,
        Doc(
            "The path of a list of known marker genes, plain or .gz: a .gmt file whose sets are "
            "named after tumors (label or TCGA code), or a table (TSV or CSV); empty is none."
        ),
        FilePath(),
    ] = ""
    marker_gene_column: Annotated[
        str,
        Doc(
            "The column of the table of markers that holds the gene IDs; auto takes the column "
            "that names most genes of the run."
        ),
    ] = "auto"
    marker_tumor_column: Annotated[
        str,
        Doc(
            "The column of the table of markers that holds a tumor or several, as COAD,READ; auto "
            "takes the column that names tumors of the run most often."
        ),
    ] = "auto"


@dataclass(frozen=True)
class ReportSettings:
    """`[report]`: what the page shows first."""

    method: Annotated[
        str, Doc("The saliency method that the page shows first."), Choices(METHODS)
    ] = "gradient_x_input"
    view: Annotated[
        str,
        Doc(
            "The view that the page shows first: own is the sample's own tumor alone, contrast is "
            "the own tumor minus the mean of its rivals."
        ),
        Choices(("own", "contrast")),
    ] = "contrast"
    top: Annotated[
        int,
        Doc("The number of genes that the page shows for each tumor."),
        Unit("genes"),
        AtLeast(1),
        AtMost(10_000),
    ] = 20
    annotation: Annotated[
        str,
        Doc(
            "The path of a gene table whose symbols, IDs and synonyms the search on the page also "
            "finds: TSV or CSV, plain or .gz; empty is none."
        ),
        FilePath(),
    ] = ""
