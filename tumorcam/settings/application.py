"""Settings of new samples to which the networks of a finished run are applied."""

from dataclasses import dataclass
from typing import Annotated

from tumorcam.settings.schema import AtLeast, AtMost, Choices, Doc, FilePath


@dataclass(frozen=True)
class ApplySettings:
    """`[apply]`: how the networks of a finished run meet new samples."""

    run: Annotated[
        str,
        Doc(
            "The folder of the run whose networks are applied, as seen from the folder of the "
            "config; `tumorcam apply` writes it, and it is empty for a run of its own."
        ),
        FilePath(),
    ] = ""
    max_missing: Annotated[
        float,
        Doc(
            "The largest share of the run's genes that a new sample may lack; each of them gets "
            "its mean in the training cohort."
        ),
        AtLeast(0),
        AtMost(1),
    ] = 0.2
    align: Annotated[
        str,
        Doc(
            "How new values are brought to those of the training cohort: none leaves them; "
            "location_scale gives each gene the training mean and SD, which is right only if the "
            "new samples are of the same tumor types in like shares; quantile gives each sample "
            "the distribution of values of a training sample."
        ),
        Choices(("none", "location_scale", "quantile")),
    ] = "none"
    false_alarms: Annotated[
        float,
        Doc(
            "The share of the run's own held-out samples that would be flagged as unlike anything "
            "in the run; new samples are flagged by the same limit."
        ),
        AtLeast(0.001),
        AtMost(0.5),
    ] = 0.05
    target: Annotated[
        str,
        Doc(
            "The tumor that new samples are explained for: called is the one that the networks "
            "call, label the one in the samples table (the called one where there is none), any "
            "other word is the name of a tumor of the run, for all samples."
        ),
    ] = "called"
