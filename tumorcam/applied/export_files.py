"""The files beside an exported model: a script that uses it, and what its user must know."""

from pathlib import Path

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.evidence import MAX_LOG2
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.training.shapes import n_weights

MODEL, USE, README = "model", "use.py", "README.txt"  # names in the folder
GENES, TUMORS = "genes.txt", "tumors.txt"  # names in the model's assets
SCALER_BYTES, PIXEL_BYTES, WEIGHT_BYTES = 8, 8, 4  # of a gene, a pixel and a weight
AS_IS = "as_is"
COUNTS = "counts per million reads, normalised as input.normalisation = {normalisation} says"
UNITS = {  # what x is, by input.scale, where it is known
    "counts": COUNTS,
    "expected_counts": COUNTS,
    "log2_counts": COUNTS,
    "tpm": "TPM",
    "fpkm": "FPKM",
    "rsem": "a normalised count of RSEM",
    "scaled_estimate": "TPM, a million times the scaled estimate of RSEM",
    "log2_tpm_001": "TPM",
}
SAME = "of the same kind as in the input that the run was trained on"
SCRIPT = '''\
"""Calls of new samples: python use.py TABLE > calls.csv; README.txt says what TABLE is."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

model = tf.saved_model.load(str(Path(__file__).resolve().parent / "model"))
genes, tumors = ([n.decode() for n in model.info()[k].numpy()] for k in ("genes", "tumors"))
separator = "," if ".csv" in Path(sys.argv[1]).suffixes else "\\t"
first = pd.read_csv(sys.argv[1], sep=separator, nrows=0).columns[0]
table = pd.read_csv(sys.argv[1], sep=separator, dtype={first: str}).set_index(first)
if table.index.isin(genes).sum() > table.columns.isin(genes).sum():
    table = table.T  # genes were in rows
n_missing = (~pd.Index(genes).isin(table.columns)).sum()
print(f"{n_missing} of {len(genes)} genes are missing", file=sys.stderr)
values = table.reindex(columns=genes).to_numpy(np.float32)
if n_missing == len(genes) or (<FAULT>).any():
    sys.exit("no gene of the model is there, or values are not as README.txt says")
answer = model.classify(values)
calls = pd.DataFrame(answer["calibrated"].numpy(), table.index.rename("sample"), tumors)
calls.insert(0, "call", calls.idxmax(axis=1))
calls.insert(1, "probability", calls[tumors].max(axis=1))
calls.to_csv(sys.stdout)
'''
FAULTS = {True: "np.isinf(values)", False: f"(values < 0) | (values > {MAX_LOG2:g})"}
ABOUT = """\
Networks that classify tumors by gene expression, exported by tumorcam from the run {name}.

For research, not for clinical decisions.

What is here
  model/      {n_networks} networks as one TensorFlow SavedModel, with their genes and scaling
  use.py      classifies a table; it needs Python with tensorflow, numpy and pandas, not tumorcam
  files.json  size and SHA-256 of every file

Use
  python use.py TABLE > calls.csv
  TABLE is a text table, comma-separated if its name has .csv, else tab-separated; .gz and the like
  are read, too. Either the rows are genes and the columns samples, or the other way round. The
  first line and the first column hold the names. Each gene occurs once.
  calls.csv has a line a sample: the most probable tumor (call), its calibrated probability, and the
  calibrated probability of each of the {n_tumors} tumors.

In Python
  model = tensorflow.saved_model.load("model")
  names = model.info()              # genes and tumors, in the order of input and output
  answer = model.classify(values)   # values: (samples, genes) float32, any number of samples
  answer["probability"]             # (samples, tumors): mean of the softmax of all networks
  answer["calibrated"]              # softmax(log(probability) / {temperature:.4g})
  The temperature {temperature:.4g} was fitted on the run's own held-out samples.

Input
  {unit}
  Other units give wrong calls, often without a warning, and so may values of another pipeline.
  The {n_genes:,} genes stand in model/assets/{genes}, the tumors in model/assets/{tumors}.
  Genes are matched by exactly these names. A gene that is missing is NaN and gets its mean in the
  training samples; the more genes are missing, the worse the calls.

What it cannot do
  It does not explain its calls, and it does not say whether a sample is unlike anything that it was
  trained on: every sample, also of healthy tissue or another cancer, is called one of these
  {n_tumors} tumors. `tumorcam apply` does both.
  Patients of the run are judged by networks that trained on them, so their calls are too good. The
  report of the run says how well held-out samples were called.
"""


def model_keys(cohort: Cohort) -> list[ModelKey]:
    """The networks of a run, without those of null runs."""
    return [ModelKey(r, f) for r in range(cohort.n_replicates) for f in range(cohort.n_folds)]


def model_bytes(cohort: Cohort, config: Config) -> int:
    """Bytes that the variables of all networks take, which are most of an exported model."""
    return sum(
        WEIGHT_BYTES * n_weights(config.model, layout.side, len(cohort.tumors))
        + SCALER_BYTES * len(cohort.genes)
        + PIXEL_BYTES * layout.side**2
        for layout in map(cohort.layout_of, model_keys(cohort))
    )


def script_text(config: Config) -> str:
    """The text of use.py, which refuses values that the networks cannot have been trained on."""
    return SCRIPT.replace("<FAULT>", FAULTS[config.input.scale == AS_IS])


def readme_text(cohort: Cohort, config: Config, temperature: float) -> str:
    """The text of README.txt."""
    return ABOUT.format(
        name=config.run.name,
        n_networks=len(model_keys(cohort)),
        n_genes=len(cohort.genes),
        n_tumors=len(cohort.tumors),
        genes=GENES,
        tumors=TUMORS,
        temperature=temperature,
        unit=unit_text(config),
    )


def unit_text(config: Config) -> str:
    """What the values of new samples must be: the scale on which the run was trained."""
    if config.input.scale == AS_IS:
        return f"Values are not transformed; they are {SAME}."
    unit = UNITS.get(config.input.scale, SAME).format(normalisation=config.input.normalisation)
    return f"Values are log2(x + 1), where x is {unit}."


def write_names(folder: Path, cohort: Cohort) -> list[Path]:
    """Write the gene list and the tumors, a name a line; the two files."""
    texts = {GENES: cohort.genes, TUMORS: cohort.tumors}
    for name, words in texts.items():
        lines = "".join(f"{word}\n" for word in words.tolist())
        (folder / name).write_text(lines, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]
