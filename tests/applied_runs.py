"""New samples for the trained tiny run: files that say less, or say it otherwise."""

from pathlib import Path

import numpy as np
import pandas as pd
from conftest import N_GENES, TUMORS, make_tiny_cohort

from jobs import apply, classify, explain, reduce
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.settings.config import Config
from tumorcam.storage.run_config import load_run
from tumorcam.storage.run_folder import RunFolder

N_NEW, N_OWN = 24, 8


def new_table(seed: int = 1) -> pd.DataFrame:
    """Genes x samples, log2(x + 1): 24 samples of strangers, made as those of the tiny run.

    Sample S00 is of tumor 0, S01 of tumor 1, and so on in turn.
    """
    rng = np.random.default_rng(seed)
    tumor = np.arange(N_NEW) % len(TUMORS)
    log2 = rng.normal(6, 1, (N_NEW, N_GENES)).clip(0)
    log2 += 3 * (np.arange(N_GENES) // 3 == tumor[:, np.newaxis])
    genes = [f"GENE{i:02d}" for i in range(N_GENES)]
    return pd.DataFrame(log2.T.round(3), genes, [f"S{i:02d}" for i in range(N_NEW)])


def own_table() -> pd.DataFrame:
    """Genes x samples: the first 8 samples of the tiny run itself."""
    tiny = make_tiny_cohort()
    names = tiny.samples["sample"].tolist()[:N_OWN]
    return pd.DataFrame(tiny.log2[:N_OWN].T, tiny.genes, names)


def write_matrix(table: pd.DataFrame, path: Path) -> str:
    table.to_csv(path, sep="\t", index_label="gene")
    return str(path)


def write_labels(path: Path, samples: list[str], tumors: list[str]) -> str:
    pd.DataFrame({"sample": samples, "tumor_type": tumors}).to_csv(path, sep="\t", index=False)
    return str(path)


def prepare_new(config: Config, *words: str, name: str = "new") -> int:
    """The exit code of `tumorcam apply --until prepare`."""
    own = [str(config.folder), *words, "--name", name, "--until", "prepare"]
    return apply.main(own)


def folder_of(config: Config, name: str = "new") -> str:
    return str(RunFolder.of(config).applied(name).root)


def finish_new(config: Config, name: str = "new") -> None:
    """Classify, explain and reduce prepared new samples, in this process."""
    for job in (classify, explain, reduce):
        assert job.main([folder_of(config, name)]) == 0


def settings_of(config: Config, name: str = "new") -> Config:
    return load_run(Path(folder_of(config, name)), [])[0]


def cohort_of(config: Config, name: str = "new") -> Cohort:
    settings = settings_of(config, name)
    return read_cohort(RunFolder.of(settings).cohort, settings)
