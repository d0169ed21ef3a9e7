"""Kinds of values and genes: scales, counters, Excel's dates, duplicates, missing cells."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from input_kinds import COUNTS, IDS, LABELS, LOG2, SYMBOLS, Kind, cpm, table, text_of, write
from judged_runs import NO_SAMPLE

TPM = 2**LOG2 / (2**LOG2).sum() * 1e6
RSEM = 2**LOG2 * 40
FPKM = 2**LOG2 * 7.3
DUPLICATES = "cohort.duplicates"


def scales() -> Iterator[Kind]:
    """Each scale with the setting that reads it, and with settings that it contradicts."""
    log_e = np.log1p(COUNTS / COUNTS.sum() * 1e4)
    right = {
        "counts": (COUNTS, cpm(COUNTS)),
        "tpm": (TPM.round(4), np.log2(TPM.round(4) + 1)),
        "fpkm": (FPKM.round(4), np.log2(FPKM.round(4) + 1)),
        "rsem": (RSEM.round(4), np.log2(RSEM.round(4) + 1)),
        "scaled_estimate": (TPM.round(4) / 1e6, np.log2(TPM.round(4) + 1)),
        "log_e": (log_e, log_e / np.log(2)),
        "log2_counts": (np.log2(COUNTS + 1), cpm(COUNTS)),
        "as_is": (LOG2 - 6, LOG2 - 6),
        "log2": (LOG2, LOG2),
    }
    zeros = TPM.where(TPM.quantile(0.1).min() < TPM, 0)
    right["log2_tpm_001"] = (np.log2(zeros + 0.001), np.log2(zeros + 1))
    for scale, (raw, log2) in right.items():
        setting = (f"input.scale={scale}",)
        yield Kind(f"scale {scale}", write(text_of(raw)), setting, log2=log2)
    salmon = COUNTS + np.linspace(0.11, 0.87, len(IDS)).round(3)
    must = (r"input\.scale = .expected_counts",)
    counted = ("input.scale=counts",)
    yield Kind("salmon's counts declared counts", write(text_of(salmon)), counted, must=must)
    expected = ("input.scale=expected_counts",)
    yield Kind("salmon's counts", write(text_of(salmon)), expected, log2=cpm(salmon))
    large = np.log2(COUNTS * 100 + 1)
    must = (r"set input\.scale = .log2_counts",)
    yield Kind("large log2 counts declared counts", write(text_of(large)), counted, must=must)
    mixed = RSEM.round(2)
    mixed.iloc[:, ::3] = np.log2(mixed.iloc[:, ::3] + 1).round(4)
    must = ("different scales", IDS[0], "logarithms")
    yield Kind("two scales in one file", write(text_of(mixed)), ("input.scale=rsem",), must=must)
    scored = pd.concat([LOG2, pd.DataFrame([np.linspace(0, 980, len(IDS))], ["Score"], IDS)])
    must = ("Score", "too large", r"cohort\.bad_values = .drop")
    yield Kind("a score among logarithms", write(text_of(scored)), must=must)
    drop = ("cohort.bad_values=drop",)
    yield Kind("a score among logarithms, dropped", write(text_of(scored)), drop, drops=("Score",))
    wrong_scale = ("input.scale=rsem",)
    must = (r"set input\.scale = .log2",)
    yield Kind("a score, taken for linear", write(text_of(scored)), wrong_scale, must=must)
    outlier = LOG2.copy()
    outlier.iloc[4, 5] = 983.75
    must = (SYMBOLS[4], IDS[5], "too large")
    yield Kind("an outlier among logarithms", write(text_of(outlier)), must=must)
    fractional = np.log2(COUNTS + np.linspace(0.11, 0.87, len(IDS)) + 1)
    setting = ("input.scale=log2_counts",)
    yield Kind(
        "log2 of expected counts",
        write(text_of(fractional)),
        setting,
        log2=cpm(COUNTS + np.linspace(0.11, 0.87, len(IDS))),
    )
    for sign in ",.":
        grouped = COUNTS.map(lambda count, sign=sign: f"{count:,}".replace(",", sign))
        for decimal in ("auto", "comma", "point"):
            setting = (*counted, f"input.decimal={decimal}")
            name = f"thousands with {sign}, decimal {decimal}"
            must = ("separators of thousands",)
            yield Kind(name, write(text_of(grouped * 1)), setting, must=must)
    german = (2**LOG2 * 40).map("{:,.2f}".format)
    german = german.map(lambda cell: cell.translate(str.maketrans(",.", ".,")))
    must = ("separators of thousands",)
    yield Kind("1.234,56", write(text_of(german)), ("input.scale=rsem",), must=must)
    wrong = [
        ("counts", "log2"),
        ("counts", "tpm"),
        ("counts", "log_e"),
        ("tpm", "log2"),
        ("tpm", "counts"),
        ("rsem", "log2"),
        ("rsem", "counts"),
        ("scaled_estimate", "log2"),
        ("scaled_estimate", "tpm"),
        ("scaled_estimate", "counts"),
        ("log2", "counts"),
        ("log2", "tpm"),
        ("log2", "scaled_estimate"),
        ("log2_tpm_001", "log2"),
        ("log2_tpm_001", "counts"),
        ("as_is", "log2"),
        ("as_is", "counts"),
        ("log_e", "counts"),
        ("fpkm", "counts"),
        ("fpkm", "log2"),
    ]
    for scale, setting in wrong:
        must: tuple[str, ...] = (r"input\.scale", setting)
        if scale in ("counts", "scaled_estimate", "log2_tpm_001"):
            must = (rf"input\.scale = .{scale}",)
        title = f"{scale} declared {setting}"
        yield Kind(title, write(text_of(right[scale][0])), (f"input.scale={setting}",), must=must)
    same = (COUNTS * 1.0).map("{:.1f}".format)
    yield Kind("counts with .0", write(text_of(same)), ("input.scale=counts",), log2=cpm(COUNTS))
    big = COUNTS.copy()
    big.iloc[3, 3] = 4_000_000_000
    yield Kind("a count above 2^32", write(text_of(big)), ("input.scale=counts",), log2=cpm(big))
    science = LOG2.map("{:.6E}".format)
    yield Kind("scientific numbers", write(text_of(science)))
    none = COUNTS.copy()
    none[IDS[3]] = 0
    must = (IDS[3], r"count|zero|\b0\b")
    yield Kind("no counts", write(text_of(none)), ("input.scale=counts",), must=must)


def counters() -> Iterator[Kind]:
    rows = [f"N_{name}" for name in ("unmapped", "multimapping", "noFeature", "ambiguous")]
    alone = pd.DataFrame(np.full((4, len(IDS)), 7), rows, IDS)
    counted = ("input.scale=counts",)
    yield Kind("counters alone", write(text_of(alone)), counted, must=("no gene", "N_unmapped"))
    summed = pd.DataFrame([LOG2.mean(), LOG2.median(), LOG2.std()], ["Mean", "Median", "StdDev"])
    averages = write(text_of(pd.concat([summed, LOG2])))
    yield Kind("averages among the genes", averages, drops=("Mean", "Median", "StdDev"))
    names = {
        "STAR": ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"],
        "HTSeq": [
            "__no_feature",
            "__ambiguous",
            "__too_low_aQual",
            "__not_aligned",
            "__alignment_not_unique",
        ],
    }
    for name, rows in names.items():
        extra = pd.DataFrame(
            COUNTS.sum().to_numpy() // 3 + np.arange(len(rows))[:, None], rows, IDS
        )
        for way, parts in {"above": [extra, COUNTS], "below": [COUNTS, extra]}.items():
            text = text_of(pd.concat(parts))
            title = f"{name}'s counters {way}"
            setting = ("input.scale=counts",)
            yield Kind(title, write(text), setting, log2=cpm(COUNTS), drops=tuple(rows))
        text = text_of(pd.concat([extra, COUNTS]).T, corner="sample")
        yield Kind(
            f"{name}'s counters, samples in rows",
            write(text),
            ("input.scale=counts",),
            log2=cpm(COUNTS),
            drops=tuple(rows),
        )


def genes() -> Iterator[Kind]:
    n = len(SYMBOLS)
    ensembl = [f"ENSG{i:011d}" for i in range(n)]
    named = {
        "Ensembl": ensembl,
        "Ensembl with version": [f"{gene}.{1 + i % 12}" for i, gene in enumerate(ensembl)],
        "symbol and Entrez": [f"{gene}|{i + 100}" for i, gene in enumerate(SYMBOLS)],
        "DepMap": [f"{gene} ({i + 100})" for i, gene in enumerate(SYMBOLS)],
        "Entrez": [str(100 + i) for i in range(n)],
    }
    for name, names in named.items():
        log2 = LOG2.set_axis(names)
        yield Kind(f"genes: {name}", write(text_of(log2)), log2=log2)
        yield Kind(
            f"genes: {name}, samples in rows", write(text_of(log2.T, corner="sample")), log2=log2
        )
    versions = named["Ensembl with version"]
    y = [*versions[:-1], versions[0] + "_PAR_Y"]
    log2 = LOG2.set_axis(y)
    yield Kind("genes: _PAR_Y", write(text_of(log2)), log2=log2)
    table_of = table({"gene_id": ensembl, "symbol": SYMBOLS, "chromosome": ["1"] * n})
    mapped = write(text_of(LOG2.set_axis(versions)), None, **{"g.tsv": table_of})
    yield Kind("genes: mapped by a table", mapped, ("input.gene_table=g.tsv",))
    two = LOG2.reset_index(names="gene_name").set_axis(versions)
    column = ("input.gene_column=gene_name",)
    yield Kind("genes: a named column", write(text_of(two, corner="gene_id")), column)
    dates = {"TP53": "2-Sep", "BRCA1": "1-Dec", "EGFR": "4-Mar"}
    text = text_of(LOG2.rename(index=dates))
    must = ("2-Sep", "1-Dec", "4-Mar", r"input\.excel_dates = .restore")
    yield Kind("Excel's dates", write(text), must=must)
    old = {"TP53": "SEPT2", "BRCA1": "DEC1", "EGFR": "MARCH4"}
    new = {"TP53": "SEPTIN2", "BRCA1": "DELEC1", "EGFR": "MARCHF4"}
    restore = ("input.excel_dates=restore",)
    yield Kind("Excel's dates, restored", write(text), restore, names=(new, old))
    yield Kind("Excel's dates, kept", write(text), ("input.excel_dates=keep",), names=(dates,))


def duplicates() -> Iterator[Kind]:
    """Two genes, and two samples, of one name."""
    twice = LOG2.rename(index={"BRCA1": "TP53"})
    pair, rest = twice.loc["TP53"], twice.drop("TP53")

    def with_gene(row: pd.Series) -> pd.DataFrame:
        return pd.concat([row.to_frame("TP53").T, rest])

    tumors = [label != NO_SAMPLE for label in LABELS]
    widest = pair.iloc[int(pair.loc[:, tumors].var(axis=1).to_numpy().argmax())]
    rules = {
        "first": pair.iloc[0],
        "mean": np.log2((2**pair).mean()),
        "max_variance": widest,
        "drop": widest,
    }
    text = text_of(twice)
    yield Kind("a gene twice", write(text), must=("TP53", r"cohort\.duplicates"))
    for rule, row in rules.items():
        log2 = with_gene(row)
        yield Kind(
            f"a gene twice, {rule}",
            write(text),
            (f"{DUPLICATES}={rule}",),
            log2=log2,
            drops=("TP53",),
        )
        rows = text_of(twice.T, corner="sample")
        yield Kind(
            f"a gene twice, {rule}, samples in rows",
            write(rows),
            (f"{DUPLICATES}={rule}",),
            log2=log2,
            drops=("TP53",),
        )
    counts = COUNTS.rename(index={"BRCA1": "TP53"})
    summed = cpm(counts.groupby(level=0).sum())
    both = ("input.scale=counts", f"{DUPLICATES}=sum")
    yield Kind(
        "a gene twice, sum of counts", write(text_of(counts)), both, log2=summed, drops=("TP53",)
    )
    again = pd.concat([LOG2, LOG2[[IDS[0]]] + 1], axis=1)
    yield Kind("a sample twice", write(text_of(again)), must=(IDS[0], r"cohort\.duplicates"))
    yield Kind(
        "a sample twice, first", write(text_of(again)), (f"{DUPLICATES}=first",), drops=(IDS[0],)
    )
    mean = tuple(LOG2.assign(**{IDS[0]: LOG2[IDS[0]] + more}) for more in (0.5, np.log2(1.5)))
    yield Kind("a sample twice, mean", write(text_of(again)), (f"{DUPLICATES}=mean",), log2=mean)
    suffix = again.set_axis([*IDS, IDS[0] + ".1"], axis=1)
    yield Kind("a sample with pandas' .1", write(text_of(suffix)), must=(IDS[0] + r"\.1",))


def bad_values() -> Iterator[Kind]:
    words = "NA;N/A;n/a;na;#N/A;NaN;nan;null;NULL;None;<NA>;-;--;'--;.;?;not reported;".split(";")
    for word in words:
        text = _with_cells(word)
        must = ("KRT5", IDS[4], "missing", r"cohort\.bad_values")
        yield Kind(
            f"{word!r} is missing", write(text), must=must, must_not=("as_is", r"\d negative")
        )
        hidden = LOG2.copy()
        hidden.loc["KRT5", IDS[4]] = np.nan
        for rule in ("drop", "repair"):
            if word in ("NA", "#N/A", "-", ""):
                yield Kind(
                    f"{word!r} is missing, {rule}",
                    write(text),
                    (f"cohort.bad_values={rule}",),
                    log2=hidden,
                )
    for word in ("1_000", "0x1F", "1d3", "True", "3.5f", "abc", "1,5", "12 3", "1e999x"):
        must = (word.replace(".", r"\."), r"KRT5|line 5", IDS[4])
        yield Kind(f"{word!r} is no number", write(_with_cells(word)), must=must)
    for word in ("Inf", "-Inf", "inf", "1e999"):
        must = ("infinite|inf", "KRT5", IDS[4])
        yield Kind(f"{word!r} is infinite", write(_with_cells(word)), must=must)
    negative = LOG2.copy()
    negative.loc["KRT5", IDS[4]] = -0.5
    text = text_of(negative)
    must = ("negative", "KRT5", r"-0\.5", r"cohort\.bad_values")
    yield Kind("a negative value", write(text), must=must, must_not=(r"\d missing",))
    clipped = negative.clip(lower=0)
    yield Kind(
        "a negative value, repaired", write(text), ("cohort.bad_values=repair",), log2=clipped
    )
    yield Kind("a negative value, dropped", write(text), ("cohort.bad_values=drop",), log2=clipped)
    without = LOG2.drop("KRT5")
    yield Kind(
        "its gene dropped",
        write(text),
        ("cohort.bad_values=drop_genes",),
        log2=without,
        drops=("gene KRT5",),
    )
    labels = [
        NO_SAMPLE if name == IDS[4] else label for name, label in zip(IDS, LABELS, strict=True)
    ]
    yield Kind(
        "its sample dropped", write(text), ("cohort.bad_values=drop_samples",), labels=labels
    )
    empty = LOG2.copy()
    empty[IDS[4]] = np.nan
    gone = ("cohort.bad_values=drop",)
    yield Kind("a sample without values", write(text_of(empty, na_rep="NA")), gone, labels=labels)
    must = (IDS[4], "missing", r"cohort\.bad_values")
    yield Kind("a sample without values, error", write(text_of(empty, na_rep="NA")), must=must)
    half = LOG2.copy()
    half.iloc[3, :9] = np.nan
    text = text_of(half, na_rep="NA")
    yield Kind("half a gene missing", write(text), gone, log2=without, drops=("gene KRT5",))


def _with_cells(word: str) -> str:
    cells = LOG2.astype(object)
    cells.loc["KRT5", IDS[4]] = word
    return text_of(cells)


def kinds() -> Iterator[Kind]:
    """All kinds of values and genes."""
    for group in (scales, counters, genes, duplicates, bad_values):
        yield from group()
