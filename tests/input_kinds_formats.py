"""Kinds of formats with a file for each sample, and of tables of several samples by them."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from input_kinds import COUNTS, IDS, SAMPLES, SYMBOLS, TUMOR, Kind, cpm, table, text_of, write

LENGTH = np.arange(1000, 1000 + 50 * len(SYMBOLS), 50)
COUNTERS = ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned")
CPM, COUNTED = cpm(COUNTS), ("input.scale=counts",)


def _per_sample(
    name_of: Callable[[str], str], text_of_sample: Callable[[str], str], packed: bool = False
) -> Callable[[Path], None]:
    """A folder `d` with a file a sample."""

    def fill(folder: Path) -> list[str]:
        for sample in IDS:
            path = folder / "d" / name_of(sample)
            path.parent.mkdir(parents=True, exist_ok=True)
            data = text_of_sample(sample).encode()
            path.write_bytes(gzip.compress(data) if packed else data)
        SAMPLES.to_csv(folder / "s.tsv", sep="\t", index=False)
        return ["input.expression=d", "input.samples=s.tsv"]

    return fill  # type: ignore[return-value]


def kinds() -> Iterator[Kind]:
    """All kinds of formats with a file for each sample."""

    def htseq(sample: str) -> str:
        rows = [f"{gene}\t{count}\n" for gene, count in COUNTS[sample].items()]
        return "".join(rows + [f"{name}\t7000\n" for name in COUNTERS])

    def counted(sample: str) -> pd.Series:
        return COUNTS[sample]

    def rsem(sample: str) -> str:
        rate = counted(sample) / LENGTH
        columns = {
            "gene_id": SYMBOLS,
            "transcript_id(s)": SYMBOLS,
            "length": LENGTH * 1.0,
            "effective_length": LENGTH - 99.5,
            "expected_count": counted(sample).to_numpy() * 1.0,
            "TPM": (rate / rate.sum() * 1e6).round(2).to_numpy(),
            "FPKM": rate.round(2).to_numpy(),
        }
        return table(columns)

    def feature_counts(sample: str) -> str:
        columns = {
            "Geneid": SYMBOLS,
            "Chr": ["chr1;chr1"] * 40,
            "Start": ["1;5"] * 40,
            "End": ["3;9"] * 40,
            "Strand": ["+;+"] * 40,
            "Length": LENGTH,
            f"{sample}.bam": counted(sample).to_numpy(),
        }
        return '# Program:featureCounts v2.0.1; Command:"featureCounts"\n' + table(columns)

    def salmon(sample: str) -> str:
        rate = counted(sample) / LENGTH
        columns = {
            "Name": SYMBOLS,
            "Length": LENGTH,
            "EffectiveLength": LENGTH - 99.5,
            "TPM": (rate / rate.sum() * 1e6).round(6).to_numpy(),
            "NumReads": counted(sample).to_numpy(),
        }
        return table(columns)

    def kallisto(sample: str) -> str:
        rate = counted(sample) / LENGTH
        columns = {
            "target_id": SYMBOLS,
            "length": LENGTH,
            "eff_length": LENGTH - 99.5,
            "est_counts": counted(sample).to_numpy(),
            "tpm": (rate / rate.sum() * 1e6).round(6).to_numpy(),
        }
        return table(columns)

    drops = COUNTERS
    name_of = "{}.htseq.counts".format
    yield Kind("HTSeq", _per_sample(name_of, htseq), COUNTED, log2=CPM, drops=drops)
    packed = _per_sample("{}.htseq.counts.gz".format, htseq, packed=True)
    yield Kind("HTSeq, packed", packed, COUNTED, log2=CPM, drops=drops)
    yield Kind("RSEM", _per_sample("{}.genes.results".format, rsem), COUNTED, log2=CPM)
    rate = COUNTS.div(LENGTH, axis=0)
    tpm = rate / rate.sum() * 1e6
    as_tpm, log2_tpm = ("input.scale=tpm",), np.log2(tpm + 1)
    rounded = np.log2(tpm.round(2) + 1)
    yield Kind("RSEM's TPM", _per_sample("{}.genes.results".format, rsem), as_tpm, log2=rounded)
    yield Kind("featureCounts", _per_sample("{}.txt".format, feature_counts), COUNTED, log2=CPM)
    yield Kind("salmon", _per_sample("{}/quant.sf".format, salmon), COUNTED, log2=CPM)
    yield Kind("salmon's TPM", _per_sample("{}/quant.sf".format, salmon), as_tpm, log2=log2_tpm)
    yield Kind("kallisto", _per_sample("{}/abundance.tsv".format, kallisto), COUNTED, log2=CPM)
    yield Kind(
        "kallisto's TPM", _per_sample("{}/abundance.tsv".format, kallisto), as_tpm, log2=log2_tpm
    )
    named = (*COUNTED, "input.measure=est_counts")
    yield Kind(
        "kallisto, a measure", _per_sample("{}/abundance.tsv".format, kallisto), named, log2=CPM
    )
    wrong = (*COUNTED, "input.measure=reads")
    absent = _per_sample("{}/abundance.tsv".format, kallisto)
    yield Kind(
        "kallisto, no such measure", absent, wrong, must=("reads", "est_counts", r"input\.measure")
    )
    yield from further_formats(tpm)
    pattern = ("input.expression=d/*.htseq.counts", *COUNTED)
    yield Kind("HTSeq, a pattern", _per_sample(name_of, htseq), pattern, log2=CPM, drops=drops)


def further_formats(tpm: pd.DataFrame) -> Iterator[Kind]:
    def stringtie(sample: str) -> str:
        columns = {
            "Gene ID": SYMBOLS,
            "Gene Name": SYMBOLS,
            **dict.fromkeys(("Reference", "Strand", "Start", "End"), [1] * 40),
            "Coverage": LENGTH / 7,
            "FPKM": tpm[sample].to_numpy() * 0.7,
            "TPM": tpm[sample].to_numpy(),
        }
        return table(columns)

    def cufflinks(sample: str) -> str:
        names = "class_code nearest_ref_id gene_id gene_short_name tss_id locus length coverage"
        fpkm = (tpm[sample] * 0.7).to_numpy()
        columns = {
            "tracking_id": SYMBOLS,
            **dict.fromkeys(names.split(), ["-"] * 40),
            **{"FPKM": fpkm, "FPKM_conf_lo": fpkm * 0.9, "FPKM_conf_hi": fpkm * 1.1},
            "FPKM_status": ["OK"] * 40,
        }
        return table(columns)

    def named_htseq(sample: str) -> str:
        rows = [f"E{i}\t{gene}\t{n}\n" for i, (gene, n) in enumerate(COUNTS[sample].items())]
        return "".join([*rows, "__no_feature\t\t7000\n"])

    as_tpm, as_fpkm = ("input.scale=tpm",), ("input.scale=fpkm",)
    log2 = np.log2(tpm + 1)
    yield Kind("StringTie", _per_sample("{}_gene_abund.tab".format, stringtie), as_tpm, log2=log2)
    files = _per_sample("{}/genes.fpkm_tracking".format, cufflinks)
    yield Kind("Cufflinks", files, as_fpkm, log2=np.log2(tpm * 0.7 + 1))
    files = _per_sample("{}.txt".format, named_htseq)
    numbered = CPM.set_axis([f"E{i}" for i in range(40)])
    drops = ("__no_feature",)
    yield Kind("HTSeq with names", files, COUNTED, log2=numbered, drops=drops)
    frame = pd.DataFrame({"Geneid": SYMBOLS, "Length": LENGTH})
    for i, name in enumerate("Chr Start End Strand".split(), start=1):
        frame.insert(i, name, "1")
    for form in (
        "/d/{}.sorted.bam",
        "/d/{}_Aligned.sortedByCoord.out.bam",
        "/d/{}/Aligned.out.bam",
    ):
        columns = {form.format(name): COUNTS[name].to_numpy() for name in IDS}
        text = table({**frame, **columns})
        yield Kind(f"featureCounts of {form}", write(text), COUNTED, log2=CPM)
        plain_ids = {f"S{i}": name for i, name in enumerate(IDS)}
        columns = {form.format(i): COUNTS[name].to_numpy() for i, name in plain_ids.items()}
        samples = table({"id": list(plain_ids), "tumor_type": TUMOR})
        text = write(table({**frame, **columns}), samples)
        setting = (*COUNTED, "cohort.patients=samples", "cohort.sample_types=[]")
        renamed = CPM.set_axis(list(plain_ids), axis=1)
        yield Kind(
            f"featureCounts of {form}, other IDs",
            text,
            setting,
            log2=renamed,
            labels=TUMOR,
            patient_of=str,
        )
    isoforms = pd.DataFrame({"t": [f"ENST{i:011d}" for i in range(80)], "g": SYMBOLS * 2})
    halves = pd.concat([COUNTS // 3, COUNTS - COUNTS // 3]).set_axis(isoforms["t"])
    tables = {"genes.tsv": table({"transcript_id": isoforms["t"], "gene_name": isoforms["g"]})}
    mapped = (*COUNTED, "input.gene_table=genes.tsv")
    both = write(text_of(halves), **tables)
    must = (r"set cohort\.duplicates = .sum", "transcripts")
    yield Kind("transcripts of a gene", both, mapped, must=must, must_not=("= .drop",))
    added = (*mapped, "cohort.duplicates=sum")
    yield Kind("transcripts of a gene, added", both, added, log2=CPM, drops=tuple(SYMBOLS))
