"""Settings of a made-up cohort with planted driver genes."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import AtLeast, AtMost, Doc, Items, Unit

TCGA_22_TUMORS = tuple(
    "BLCA BRCA CESC COAD ESCA GBM HNSC KIRC KIRP LAML LGG "
    "LIHC LUAD LUSC OV PAAD PRAD READ SKCM STAD THCA UCEC".split()
)


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
