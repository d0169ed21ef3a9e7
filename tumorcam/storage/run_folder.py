"""Names of the files of a run: the one place that knows them."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumorcam.errors import CohortError, quoted
from tumorcam.settings.config import Config
from tumorcam.storage import manifest
from tumorcam.storage.plan import BASELINES, ModelKey, ShardKey

MAX_SLUG = 100  # characters; file systems allow 255 in a name, with what stands around it


@dataclass(frozen=True)
class SyntheticInput:
    """The folder of a synthetic cohort; every file of it is named by a property here."""

    root: Path

    @property
    def expression(self) -> Path:
        """Expression, genes × samples."""
        return self.root / "expression.tsv.gz"

    @property
    def samples(self) -> Path:
        """Table of the samples."""
        return self.root / "samples.tsv"

    @property
    def truth(self) -> Path:
        """Table of the planted drivers."""
        return self.root / "truth.csv"

    @property
    def settings(self) -> Path:
        """The settings that the cohort was made with."""
        return self.root / "settings.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files but the list."""
        return self.expression, self.samples, self.truth, self.settings

    @property
    def listed(self) -> Path:
        """The list of the files, which is written last."""
        return self.root / manifest.FILE_NAME


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run; every file in it is named by a property or method here.

    `networks` is the folder of the run whose networks are applied to new samples, where this is the
    folder of such samples; else None: the networks are this run's own.
    """

    root: Path
    networks: Path | None = None

    @classmethod
    def of(cls, config: Config) -> "RunFolder":
        """The folder that a config names."""
        run = config.apply.run
        return cls(config.folder, Path(os.path.normpath(config.folder / run)) if run else None)

    @property
    def source(self) -> "RunFolder":
        """The run that trained the networks: this one, or the one that is applied."""
        return RunFolder(self.networks) if self.networks else self

    def applied(self, name: str) -> "RunFolder":
        """The folder of new samples to which this run's networks are applied."""
        return RunFolder(self.root / "applied" / name, self.root)

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.root / "config.toml"

    @property
    def cohort(self) -> Path:
        """Expression, samples, genes, folds and layouts."""
        return self.root / "cohort.h5"

    @property
    def plan(self) -> Path:
        """Models and shards that the run is to have."""
        return self.root / "plan.json"

    @property
    def input(self) -> SyntheticInput:
        """The synthetic cohort, if the run has one."""
        return SyntheticInput(self.root / "input")

    @property
    def models(self) -> Path:
        """Folder of the models and baselines."""
        return self.source.root / "models"

    @property
    def reference(self) -> Path:
        """What new samples are held against: the run's own held-out samples."""
        return self.source.root / "reference.h5"

    @property
    def predictions(self) -> Path:
        """Folder of the logits of new samples."""
        return self.root / "predictions"

    @property
    def calls(self) -> Path:
        """What the networks together call each new sample."""
        return self.root / "calls.h5"

    @property
    def baselines(self) -> Path:
        """Held-out probabilities of the baselines."""
        return self.models / f"{BASELINES}.h5"

    @property
    def shards(self) -> Path:
        """Folder of the shards."""
        return self.root / "shards"

    @property
    def saliency(self) -> Path:
        """Virtual datasets over all shards."""
        return self.root / "saliency.h5"

    @property
    def bands(self) -> Path:
        """Folder of what reduce has finished while it works."""
        return self.root / "bands"

    @property
    def significance(self) -> Path:
        """The tables of all rankings."""
        return self.root / "significance.h5"

    @property
    def responses(self) -> Path:
        """Folder of what faithfulness has finished while it works."""
        return self.root / "responses"

    @property
    def faithfulness(self) -> Path:
        """Checks of the rankings."""
        return self.root / "faithfulness.h5"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def page(self) -> Path:
        """The web page of the report."""
        return self.report / "index.html"

    def comparison(self, name: str, key: Sequence[str] | None = None) -> Path:
        """Folder of this run's comparison with another one, whose name is given.

        Parameters
        ----------
        key : sequence of str, or None
            Method and view of the ranking; None for the one that is compared by default.
        """
        return self.root / "compare" / _file_name(name, key)

    def enrichment(self, name: str, key: Sequence[str] | None = None) -> Path:
        """Folder of the tests of gene sets, which a file of the given name has."""
        return self.root / "enrichment" / _file_name(name, key)

    @property
    def probe(self) -> Path:
        """What `tumorcam preflight --probe` has measured of the machine."""
        return self.root / "probe.json"

    @property
    def logs(self) -> Path:
        """Folder of the logs and of Slurm's output."""
        return self.root / "logs"

    @property
    def input_files(self) -> Path:
        """The list of the input files and their digests."""
        return self.logs / "input-files.json"

    def model(self, key: ModelKey) -> Path:
        """The artifact of a model."""
        return self.models / key.name / "model.h5"

    def history(self, key: ModelKey) -> Path:
        """The learning curve of a model, which grows while it trains."""
        return self.model(key).with_name("history.csv")

    def checkpoints(self, key: ModelKey) -> Path:
        """Folder of a model's checkpoints while it trains."""
        return self.model(key).with_name("checkpoints")

    def tensorboard(self, key: ModelKey) -> Path:
        """Folder of a model's event files for TensorBoard."""
        return self.logs / "tensorboard" / key.name

    def prediction(self, key: ShardKey) -> Path:
        """The logits of a block of new samples by one model."""
        return self.predictions / f"{key.name}.h5"

    def shard(self, key: ShardKey) -> Path:
        """The saliency of a block of samples by one model."""
        return self.shards / f"{key.name}.h5"

    def band(self, index: int) -> Path:
        """Statistics of the genes of one band, while reduce works."""
        return self.bands / f"b{index:04d}.h5"

    def ranking(self, index: int) -> Path:
        """One finished ranking, while reduce works."""
        return self.bands / f"ranking{index:02d}.h5"

    def picture(self, name: str) -> Path:
        """The picture of a sample's map, without its suffix."""
        return self.report / "show" / name

    def response(self, index: int) -> Path:
        """Responses of one block of samples, while faithfulness works."""
        return self.responses / f"b{index:04d}.h5"

    def band_files(self) -> list[Path]:
        """Every finished band, while reduce works."""
        return sorted(self.bands.glob("b*.h5"))

    def ranking_files(self) -> list[Path]:
        """Every finished ranking, while reduce works."""
        return sorted(self.bands.glob("ranking*.h5"))

    def response_files(self) -> list[Path]:
        """Every finished block of samples, while faithfulness works."""
        return sorted(self.responses.glob("*.h5"))


def slugs(labels: np.ndarray) -> list[str]:
    """Each label as a word that is safe as a file name on any system.

    A long word is cut, and the start of the label's SHA-256 ends it.

    Raises
    ------
    CohortError
        If two labels give the same word apart from upper and lower case, or a label gives none.
    """
    words = [_slug(label) for label in labels.tolist()]
    owner: dict[str, str] = {}
    for label, word in zip(labels.tolist(), words, strict=True):
        first = owner.setdefault(word.lower(), label)
        if not word or first != label:
            msg = (
                f"tumors {quoted(first)} and {quoted(label)} give the file name {word!r}; wanted "
                "letters or digits that tell them apart; rename a tumor in the samples table"
            )
            raise CohortError(msg)
    return words


def _file_name(name: str, key: Sequence[str] | None) -> str:
    """A name, and a ranking's method and view, as a word that is safe as a file name."""
    return "-".join([_slug(name) or "unnamed", *(key or ())])


def _slug(label: str) -> str:
    word = re.sub(r"[^A-Za-z0-9._-]+", "_", label).strip("._-")
    if len(word) <= MAX_SLUG:
        return word
    digest = hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{word[: MAX_SLUG - 13]}-{digest}"
