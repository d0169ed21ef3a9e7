"""Every setting: a frozen dataclass a section of the config file, with defaults and meaning."""

from dataclasses import dataclass, field
from typing import Any

TCGA_22_TUMORS = tuple(
    "BLCA BRCA CESC COAD ESCA GBM HNSC KIRC KIRP LAML LGG "
    "LIHC LUAD LUSC OV PAAD PRAD READ SKCM STAD THCA UCEC".split()
)
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


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A dataclass field with its one-line documentation, unit and allowed values."""
    return field(
        default=default,
        metadata={"doc": doc, "unit": unit, "choices": choices, "low": low, "high": high},
    )


@dataclass(frozen=True)
class RunSettings:
    """`[run]`: where and how."""

    name: str = setting("run", "name of the run, shown in the report")
    folder: str = setting("", "folder of the run; empty: runs/NAME")
    seed: int = setting(1, "seed of every random choice", low=0)
    threads_per_rank: int = setting(2, "of TensorFlow and BLAS, a process", unit="threads", low=1)


@dataclass(frozen=True)
class InputSettings:
    """`[input]`: the user's files and what their columns are called."""

    expression: str = setting("", "expression matrix: TSV/CSV (plain or .gz) or .h5ad")
    samples: str = setting("", "samples table (TSV/CSV); empty for .h5ad: its obs")
    format: str = setting("auto", "format of the matrix", choices=("auto", "table", "h5ad"))
    scale: str = setting(
        "log2",
        "what the values are: log2(x + 1) already; counts (made counts per million, then "
        "log2(x + 1)); tpm, fpkm or rsem (log2(x + 1) is taken); as_is (any real number)",
        choices=("log2", "counts", "tpm", "fpkm", "rsem", "as_is"),
    )
    gene_column: str = setting("auto", "column with gene IDs; auto: the first, or h5ad's index")
    sample_column: str = setting("auto", "samples table: ID as in the matrix")
    tumor_column: str = setting("auto", "samples table: tumor type")
    patient_column: str = setting("auto", "samples table: patient; auto: also from TCGA barcodes")
    sample_type_column: str = setting("auto", "samples table: TCGA sample type code, such as 01")
    source_column: str = setting("auto", "samples table: source or batch, reported; may be absent")


@dataclass(frozen=True)
class CohortSettings:
    """`[cohort]`: which samples and genes are kept, and what bad input does."""

    tumors: tuple[str, ...] = setting((), "tumor types to keep; empty: all")
    sample_types: tuple[str, ...] = setting(("01",), "sample type codes to keep; empty: all")
    sources: tuple[str, ...] = setting((), "sources to keep; empty: all")
    genes: int = setting(
        0,
        "most variable genes kept; 0: largest square the table allows, up to 107 x 107",
        unit="genes",
        low=0,
    )
    duplicates: str = setting(
        "error",
        "a gene or sample that occurs twice: stop, or keep the first and list the rest",
        choices=("error", "drop"),
    )
    bad_values: str = setting(
        "error",
        "NaN, infinite or (unless as_is) negative values: stop, or drop and list the gene",
        choices=("error", "drop"),
    )
    unlabelled: str = setting(
        "error",
        "a sample without tumor, or missing in the table: stop, or drop and list it",
        choices=("error", "drop"),
    )
    rare_tumors: str = setting(
        "error",
        "a tumor with fewer patients than folds: stop, or drop and list its samples",
        choices=("error", "drop"),
    )


@dataclass(frozen=True)
class SplitSettings:
    """`[splits]`: held-out folds by patient."""

    folds: int = setting(5, "folds, by patient and stratified by tumor", unit="folds", low=2)


@dataclass(frozen=True)
class LayoutSettings:
    """`[layout]`: where genes and decoys stand on the image."""

    kind: str = setting(
        "random",
        "map from gene to pixel",
        choices=("random", "variance", "coexpression", "chromosome"),
    )
    annotation: str = setting(
        "",
        'gene annotation table (TSV/CSV, plain or .gz) for layout.kind = "chromosome": columns '
        "with gene IDs as in the matrix, chromosome and start",
    )
    spacing: int = setting(1, "from gene to gene; 2: a gene a pooling window", unit="pixels", low=1)
    replicates: int = setting(8, "layout replicates, each with its own networks", low=1)
    nulls: int = setting(
        0, "null replicates, trained on permuted labels; may be added later", low=0
    )
    decoys: str = setting(
        "auto", "decoys: auto (max(0.1, 2/tumors) of the genes), a share such as 0.3, or none"
    )
    decoy_genes: tuple[str, ...] = setting((), "genes that get a decoy, instead of a random draw")


@dataclass(frozen=True)
class ModelSettings:
    """`[model]`: the network."""

    filters: tuple[int, ...] = setting((32, 64, 64), "filters of each 3 x 3 convolution", low=1)
    dense: tuple[int, ...] = setting((1024, 512, 64), "units of each dense layer", low=1)
    padding: str = setting("same", "of convolutions and poolings", choices=("same", "valid"))


@dataclass(frozen=True)
class TrainingSettings:
    """`[training]`: how the network learns."""

    epochs: int = setting(30, "at most so many passes over the training samples", low=1)
    patience: int = setting(
        15, "stop, and keep the best, when validation loss has not fallen for so many", low=1
    )
    batch_size: int = setting(32, "global batch, over all devices", unit="samples", low=1)
    micro_batch: int = setting(
        16,
        "samples that a device computes at once; a batch of several devices is a multiple of so "
        "many for each",
        unit="samples",
        low=1,
    )
    learning_rate: float = setting(1e-3, "peak; warm-up, then cosine decay to 0", low=0)
    learning_rate_batch: int = setting(
        0,
        "global batch that learning_rate is meant for: with another one it grows in proportion; "
        "0: it is taken as it is",
        unit="samples",
        low=0,
    )
    warmup_epochs: float = setting(2.0, "linear warm-up", unit="epochs", low=0)
    weight_decay: float = setting(0.01, "AdamW's, on kernels only", low=0)
    dropout: float = setting(0.0, "share of dense units dropped in training", low=0, high=0.95)
    input_dropout: float = setting(0.0, "share of pixels set to 0 in training", low=0, high=0.95)
    input_noise: float = setting(0.0, "SD of noise added in training", unit="gene SD", low=0)
    mixup: float = setting(1.0, "alpha of the Beta distribution of mixup; 0: off", low=0)
    label_smoothing: float = setting(0.0, "share of the target spread evenly", low=0, high=0.9)
    class_weights: bool = setting(False, "weight samples by 1/size of their tumor, mean 1")
    validation: float = setting(
        0.1, "share of the training patients kept for early stopping", low=0.02, high=0.5
    )
    decoy_permutations: str = setting(
        "shared",
        "a decoy's values are permuted alike for all networks, or by a permutation of its own for "
        "each network",
        choices=("shared", "own"),
    )
    checkpoint_steps: int = setting(200, "steps between checkpoints at least", unit="steps", low=1)
    checkpoint_share: float = setting(
        0.02, "of the time that checkpoints may take; 0: no bound", low=0, high=1
    )


@dataclass(frozen=True)
class ExplainSettings:
    """`[explain]`: saliency of held-out samples."""

    methods: tuple[str, ...] = setting(DEFAULT_METHODS, "methods of the shards", choices=METHODS)
    cubes: tuple[str, ...] = setting(
        ("guided_grad_cam",), "methods whose saliency cubes (images) are kept", choices=METHODS
    )
    cam_layer: str = setting("", "convolution of Grad-CAM, such as conv1; empty: the last one")
    rivals: int = setting(3, "rival tumors a sample is contrasted with", low=1)
    block: int = setting(256, "samples of one shard", unit="samples", low=1)
    batch_size: int = setting(64, "samples explained at once", unit="samples", low=1)
    precision: str = setting("float32", "arithmetic of the network", choices=PRECISIONS)
    compression: str = setting(
        "bitshuffle-lz4",
        "of shards",
        choices=("gzip", "bitshuffle-lz4", "blosc2-zstd", "none"),
    )


@dataclass(frozen=True)
class SignificanceSettings:
    """`[significance]`: thresholds of the evidence grades."""

    q_decoy: float = setting(0.05, "a learned gene's q_decoy at most", low=0, high=1)
    q_value: float = setting(0.05, "a learned gene's q_value at most", low=0, high=1)
    replication: float = setting(0.5, "a learned gene's replication at least", low=0, high=1)
    recall: float = setting(0.5, "its tumor's held-out recall at least", low=0, high=1)
    min_patients: int = setting(10, "fewer patients give no p-values", unit="patients", low=2)
    correct_only: bool = setting(False, "use only samples that the ensemble classifies correctly")


@dataclass(frozen=True)
class FaithfulnessSettings:
    """`[faithfulness]`: what the ranking is held against."""

    replicates: int = setting(
        1, "the first so many replicates' networks see samples with genes changed", low=1
    )
    samples: int = setting(
        0, "so many samples of each tumor at most have genes changed; 0: all", unit="samples", low=0
    )
    markers: str = setting(
        "",
        "known marker genes: a .gmt file (set name: tumor label or TCGA code) or a table "
        "(TSV/CSV), plain or .gz; empty: none",
    )
    marker_gene_column: str = setting(
        "auto", "table of markers: gene IDs; auto: the column that names most genes of the run"
    )
    marker_tumor_column: str = setting(
        "auto",
        "table of markers: one tumor or several, as COAD,READ; auto: the column that names tumors "
        "of the run most often",
    )


@dataclass(frozen=True)
class ReportSettings:
    """`[report]`: what the page shows first."""

    method: str = setting("gradient_x_input", "method shown first", choices=METHODS)
    view: str = setting("contrast", "view shown first", choices=("own", "contrast"))
    top: int = setting(20, "genes shown a tumor", unit="genes", low=1)


@dataclass(frozen=True)
class SynthesizeSettings:
    """`[synthesize]`: a cohort with planted driver genes."""

    tumors: tuple[str, ...] = setting(TCGA_22_TUMORS, "tumor types")
    samples_per_tumor: int = setting(60, "samples a tumor", unit="samples", low=4)
    genes: int = setting(1500, "genes before the variance filter", unit="genes", low=16)
    drivers: int = setting(20, "planted drivers a tumor", unit="genes", low=1)
    effect: float = setting(2.0, "mean shift of a driver", unit="within-tumor SD", low=0)
    shared_drivers: float = setting(
        0.5, "share of the drivers that a confusable pair has in common", low=0, high=1
    )
    batches: int = setting(4, "technical batches, independent of tumor", low=1)
    permute_labels: bool = setting(False, "shuffle the labels after planting: a null cohort")
