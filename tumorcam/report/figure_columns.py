"""Every column of the data of each figure, by the figure's name; a row is a mark of the figure."""

from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, Column

_SHARE = "share, 0 to 1"
_P = "probability, 0 to 1"
_SALIENCY = "unit of the method"
_SAMPLES, _GENES, _PAIRS, _PIXELS = "samples", "genes", "(tumor, gene) pairs", "pixels"
_SD, _DISTANCE = "training SD", "SD within a tumor"
_TUMOR = Column("tumor", TEXT, "The tumor that the samples were explained for.")
_GENE = Column("gene", TEXT, "The name of the gene.")
_METHOD = Column("method", TEXT, "The saliency method, such as guided_grad_cam.")
_VIEW = Column("view", TEXT, "The view: own, or contrast with rival tumors.")
_CHANGE = Column("change", TEXT, "What became of the genes: deleted, replaced or inserted.")
_GROUP = Column("group", TEXT, "The group of samples, as the figure names it.")
_PARTIAL = Column("partial", FLAG, "Whether shards were missing when the tables were made.")

RUN_FIGURES = {  # of the page of a run
    "confusion": (
        Column("true_tumor", TEXT, "The own tumor of the samples; a row of the figure."),
        Column("called_tumor", TEXT, "The tumor that they are called; a column of the figure."),
        Column("samples", WHOLE, "How many samples have this pair of tumors.", _SAMPLES),
        Column("share_of_true_tumor", NUMBER, "The same as a share of the true tumor.", _SHARE),
        _PARTIAL,
    ),
    "learning": (
        Column("network", TEXT, "The name of the network, such as r00-f00."),
        Column("quantity", TEXT, "training_loss, validation_loss or validation_accuracy."),
        Column("unit", TEXT, "The unit of the value: nats, or share of samples."),
        Column("epoch", WHOLE, "The epoch, from 0.", "epochs"),
        Column("value", NUMBER, "The value of the quantity after the epoch.", "column unit"),
        Column("is_kept", FLAG, "Whether the network keeps the weights of this epoch."),
        _PARTIAL,
    ),
    "example": (
        Column("gene", TEXT, "The gene of the pixel, or that which a decoy copies, so marked."),
        Column("row", WHOLE, "The row of the pixel, from 0 at the top.", _PIXELS),
        Column("column", WHOLE, "The column of the pixel, from 0 at the left.", _PIXELS),
        Column("expression_training_sd", NUMBER, "The expression less the training mean.", _SD),
        Column("saliency", NUMBER, "The saliency of the pixel.", "column saliency_unit"),
        Column("saliency_unit", TEXT, "The unit of the saliency."),
        Column("ring", WHOLE, "The number of its ring, 1 the highest saliency; 0 without one."),
        _PARTIAL,
    ),
    "genes": (
        _TUMOR,
        _GENE,
        Column("score", NUMBER, "The trimmed mean of the saliency over patients.", _SALIENCY),
        Column(
            "share_of_largest",
            NUMBER,
            "The score divided by the largest absolute score of the gene.",
            "share, -1 to 1",
        ),
        Column("is_learned", FLAG, "Whether the pair is graded learned; a dot in the figure."),
        Column("row", WHOLE, "The row of the gene in the figure, from 1 at the top."),
        Column("column", WHOLE, "The column of the tumor in the figure, from 1 at the left."),
        _PARTIAL,
    ),
    "decoys": (
        _METHOD,
        _VIEW,
        Column("pairs_called", WHOLE, "How many pairs are called up to this point.", _PAIRS),
        Column("pairs_estimated_false", NUMBER, "How many of them are false by decoys.", _PAIRS),
        Column("q_decoy", NUMBER, "The false discovery rate at this point.", _P),
        _PARTIAL,
    ),
    "overlaps": (
        Column(
            "bar",
            TEXT,
            "intersection: genes of exactly two tumors or more; alone: genes of exactly one; "
            "tumor: all its genes.",
        ),
        Column("tumors", TEXT, "The tumors, with ; and a blank between them."),
        Column("n_tumors", WHOLE, "How many tumors these are.", "tumors"),
        Column("n_genes", WHOLE, "How many learned genes the bar counts.", _GENES),
        Column("is_drawn", FLAG, "Whether the figure has room for this bar."),
        Column("genes", TEXT, "These genes, with ; and a blank between; empty for bar tumor."),
        _PARTIAL,
    ),
    "stability": (
        _TUMOR,
        _GENE,
        Column("rank", NUMBER, "The rank of the score in its tumor.", "rank, from 1"),
        Column("rank_low", NUMBER, "The low end of the 95 % interval of the rank.", "rank, from 1"),
        Column("rank_high", NUMBER, "The high end of that interval.", "rank, from 1"),
        Column(
            "replication_share_of_networks",
            NUMBER,
            "The share of networks with a margin above 0.",
            _SHARE,
        ),
        _PARTIAL,
    ),
    "deletion": (
        _CHANGE,
        Column("gene_set", TEXT, "The ranking or the control; unchanged for intact samples."),
        Column("genes", WHOLE, "How many genes are changed; 0 for intact samples.", _GENES),
        Column("quantity", TEXT, "Whether the value is in logits or an accuracy."),
        Column(
            "value",
            NUMBER,
            "The fall (inserted: rise) of the tumor's logit less that of the others; or accuracy.",
            "column quantity",
        ),
        Column("low_95", NUMBER, "The low end of its 95 % interval.", "column quantity"),
        Column("high_95", NUMBER, "The high end of its 95 % interval.", "column quantity"),
        _PARTIAL,
    ),
    "deletion-tumors": (
        Column("tumor", TEXT, "The tumor; mean is that of all tumors."),
        _CHANGE,
        Column("control", TEXT, "The other genes that the ranking is held against."),
        Column("distance_logits", NUMBER, "The mean distance between the two curves.", "logits"),
        Column("low_95_logits", NUMBER, "The low end of its 95 % interval.", "logits"),
        Column("high_95_logits", NUMBER, "The high end of its 95 % interval.", "logits"),
        _PARTIAL,
    ),
    "false-share": (
        _METHOD,
        _VIEW,
        Column("q_decoy", NUMBER, "The q_decoy up to which pairs are called.", _P),
        Column("pairs_called", WHOLE, "How many pairs are called.", _PAIRS),
        Column(
            "pairs_neither_driver_nor_proxy",
            WHOLE,
            "How many of them have a gene that is neither driver nor proxy.",
            _PAIRS,
        ),
        Column("share_neither", NUMBER, "The same as a share; NaN where none is called.", _SHARE),
        _PARTIAL,
    ),
}
CALL_FIGURES = {  # of the page of new samples
    "confusion": RUN_FIGURES["confusion"],
    "calibration": (
        _GROUP,
        Column("probability_low", NUMBER, "The low end of the bin.", _P),
        Column("probability_high", NUMBER, "The high end of the bin, which belongs to it.", _P),
        Column("samples", WHOLE, "How many samples are in the bin.", _SAMPLES),
        Column("mean_probability", NUMBER, "The mean probability of their calls.", _P),
        Column("share_right", NUMBER, "The share of calls that are right.", _SHARE),
        _PARTIAL,
    ),
    "unlike": (
        _GROUP,
        Column("distance_low_sd", NUMBER, "The low end of the bin.", _DISTANCE),
        Column("distance_high_sd", NUMBER, "The high end of the bin.", _DISTANCE),
        Column("share_of_samples", NUMBER, "The share of the group that is in the bin.", _SHARE),
        _PARTIAL,
    ),
    "missing": (
        Column("genes_missing_percent", NUMBER, "The genes that are taken away.", "%"),
        Column("right_calls_percent", NUMBER, "The held-out samples that are called right.", "%"),
        _PARTIAL,
    ),
    "shift": (
        Column("group", TEXT, "Against what genes are shifted, as the figure names it."),
        Column("shift_low_sd", NUMBER, "The low end of the bin.", _SD),
        Column("shift_high_sd", NUMBER, "The high end; outer bins hold all beyond them.", _SD),
        Column("genes", WHOLE, "How many genes are in the bin.", _GENES),
        _PARTIAL,
    ),
}
FIGURE_COLUMNS = RUN_FIGURES | CALL_FIGURES
