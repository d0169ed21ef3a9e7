"""Every setting: a frozen dataclass for each section of the config file, with its defaults."""

from tumorcam.settings.analysis import (
    DEFAULT_METHODS,
    METHODS,
    PRECISIONS,
    ExplainSettings,
    FaithfulnessSettings,
    ReportSettings,
    SignificanceSettings,
)
from tumorcam.settings.inputs import (
    TCGA_22_TUMORS,
    CohortSettings,
    InputSettings,
    LayoutSettings,
    RunSettings,
    SplitSettings,
    SynthesizeSettings,
)
from tumorcam.settings.networks import ModelSettings, TrainingSettings

__all__ = (
    "DEFAULT_METHODS",
    "METHODS",
    "PRECISIONS",
    "TCGA_22_TUMORS",
    "CohortSettings",
    "ExplainSettings",
    "FaithfulnessSettings",
    "InputSettings",
    "LayoutSettings",
    "ModelSettings",
    "ReportSettings",
    "RunSettings",
    "SignificanceSettings",
    "SplitSettings",
    "SynthesizeSettings",
    "TrainingSettings",
)
