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
from tumorcam.settings.application import ApplySettings
from tumorcam.settings.cohort import CohortSettings, LayoutSettings, SplitSettings
from tumorcam.settings.inputs import SCALES, InputSettings, RunSettings
from tumorcam.settings.networks import ModelSettings, TrainingSettings
from tumorcam.settings.synthesis import TCGA_22_TUMORS, SynthesizeSettings

__all__ = (
    "DEFAULT_METHODS",
    "METHODS",
    "PRECISIONS",
    "SCALES",
    "TCGA_22_TUMORS",
    "ApplySettings",
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
