"""Kinds of samples tables: names of columns, spellings of IDs, types, patients and labels."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd
from input_kinds import (
    IDS,
    IS_NORMAL,
    LABELS,
    LOG2,
    NORMALS,
    TUMOR,
    TUMORS,
    Kind,
    table,
    text_of,
    write,
)
from judged_runs import NO_SAMPLE, sample_key

PATIENT = [name[:12] for name in IDS]
ALIQUOT = [f"{name}A-11R-A123-07" for name in IDS]
VIAL = [f"{name}A" for name in IDS]
WITH_CLASS = ["Normal" if n else t for t, n in zip(TUMOR, IS_NORMAL, strict=True)]
PRIMARY = ["Normal" if n else "Primary" for n in IS_NORMAL]
PLAIN_IDS = [f"S{i}" for i in range(len(IDS))]
DONORS = dict(zip(map(sample_key, PLAIN_IDS), PATIENT, strict=True))
DISEASES = {
    "BRCA": "breast invasive carcinoma",
    "LUAD": "lung adenocarcinoma",
    "KIRC": "kidney clear cell carcinoma",
}
MISSING = (
    "'--;not reported;Not Reported;[Not Applicable];[Unknown];-;--;unknown;Unknown;[Discrepancy];"
    "N.A.;unspecified;TBD;No data;"
    "#N/A;N/A;n/a;NA;na;None;null;<NA>;.;?;[Not Available];not available;"
).split(";")


def renamed(names: Sequence[str]) -> str:
    """The matrix with other names of its samples."""
    return text_of(LOG2.set_axis(list(names), axis=1))


def columns() -> Iterator[Kind]:
    for name in (
        "sample;Sample ID;sampleID;barcode;submitter_id.samples;bcr_sample_barcode;SAMPLE_ID;"
        "Tumor_Sample_Barcode;submitter_id;Unnamed: 0;;id;Run;sample_submitter_id;my names"
    ).split(";"):
        yield Kind(f"samples in {name!r}", write(None, table({name: IDS, "tumor_type": TUMOR})))
    for name in (
        "cancer_type;disease;type;project_id;cancer type abbreviation;_primary_disease;Class;label;"
        "CANCER_TYPE_ACRONYM;Project ID;tumor;acronym;disease_code;cancer"
    ).split(";"):
        yield Kind(f"tumors in {name!r}", write(None, table({"sample": IDS, name: TUMOR})))
    flags = ["yes" if i % 3 else "no" for i in range(len(IDS))]
    split = ["train" if i % 4 else "test" for i in range(len(IDS))]
    decoys: dict[str, dict[str, list[str]]] = {
        "flags": {"tumor": flags, "cancer_type": TUMOR},
        "splits": {"label": split, "cancer_type": TUMOR},
        "an empty code": {"disease_code": [""] * len(IDS), "_primary_disease": TUMOR},
        "a study": {"study": ["TCGA"] * len(IDS), "cancer_type": TUMOR},
        "sexes": {"gender": flags, "vital_status": split, "project_id": TUMOR},
        "words of missing": {"disease": ["'--"] * len(IDS), "project_id": TUMOR},
        "histologies": {"disease_type": flags, "primary_site": split, "project_id": TUMOR},
    }
    for name, beside in decoys.items():
        yield Kind(f"tumors beside {name}", write(None, table({"sample": IDS, **beside})))
    named = write(None, table({"sample": IDS, "a": flags, "b": TUMOR}))
    yield Kind("a named column", named, ("input.tumor_column=b",))
    absent = ("input.tumor_column=c",)
    yield Kind("an absent column", named, absent, must=("tumor_column", r"\bc\b", r"\bb\b"))
    row = [str(i) for i in range(len(IDS))]
    several = table({"id": row, "case": row, "barcode": IDS, "tumor_type": TUMOR})
    yield Kind("row numbers", write(None, several))


def forms() -> Iterator[Kind]:
    full = {"sample": IDS, "tumor_type": TUMOR, "note": ["a,b"] * len(IDS)}
    for name, sep in {"semicolons": ";", "commas": ",", "blanks": " "}.items():
        yield Kind(f"table with {name}", write(None, table(full, sep)))
    text = table(full)
    comments = "#Sample\t#Type\t#Note\n#STRING\tSTRING\tSTRING\n#1\t1\t1\n"
    yield Kind("cBioPortal's comments", write(None, comments + text))
    header, body = text.split("\n", 1)
    ends = body.replace("\n", "\t\n")
    yield Kind("tabs behind the rows", write(None, f"{header}\n{ends}"))
    yield Kind("tabs behind all", write(None, f"{header}\t\n{ends}"))
    numbered = "".join(f"{i}\t{line}\n" for i, line in enumerate(body.splitlines()))
    yield Kind("R's row names", write(None, f"{header}\n{numbered}"))
    biotab = f"{header}\nbcr_barcode\tcancer\tnote\nCDE_ID:1\tCDE_ID:2\tCDE_ID:3\n{body}"
    yield Kind("three header rows", write(None, biotab))
    yield Kind("a blank row", write(None, text + "\t\t\n"))
    yield Kind("rows twice", write(None, text + body))
    other = f"{IDS[0]}\tKIRC\tx\n"
    yield Kind("rows in conflict", write(None, text + other), must=(IDS[0],))
    gdc = {"case_submitter_id": PATIENT[:18], "project_id": [f"TCGA-{t}" for t in TUMOR[:18]]}
    clinical = table(gdc | {"primary_diagnosis": ["'--"] * 18})
    yield Kind("a row a patient", write(None, clinical))
    types = table({"sample": IDS, "sample_type": PRIMARY})
    two = ('input.samples=["s.tsv", "t.tsv"]',)
    yield Kind("two tables", write(None, clinical, **{"t.tsv": types}), two)


def spellings() -> Iterator[Kind]:
    ways: dict[str, Callable[[str], str]] = {
        "dots": lambda name: name.replace("-", "."),
        "underscores": lambda name: name.replace("-", "_"),
        "lower case": str.lower,
        "quotes": lambda name: f"'{name}'",
        "blanks": lambda name: f" {name} ",
        "no-break blanks": lambda name: f"{name}\u00a0",
    }
    for name, way in ways.items():
        other = [way(sample) for sample in IDS]
        spelled = table({"sample": other, "tumor_type": TUMOR})
        yield Kind(f"{name} in the table", write(None, spelled))
        yield Kind(f"{name} in the matrix", write(renamed(other)), log2=LOG2)
        yield Kind(f"{name} in both", write(renamed(other), spelled))
    mixed = [name.replace("-", ".") if i < 4 else name for i, name in enumerate(IDS)]
    yield Kind("dots in some", write(renamed(mixed)))
    lengths = {"sample": IDS, "vial": VIAL, "aliquot": ALIQUOT}
    for of_matrix, names in lengths.items():
        log2 = LOG2.set_axis(names, axis=1)
        for of_table, rows in (lengths | {"patient": PATIENT}).items():
            text = table({"barcode": rows, "tumor_type": TUMOR}).splitlines()
            unique = "\n".join(dict.fromkeys(text)) + "\n"
            title = f"{of_matrix} barcodes, table of {of_table}s"
            yield Kind(title, write(renamed(names), unique), log2=log2)
    first = PATIENT[:18]
    text = text_of(LOG2.iloc[:, :18].set_axis(first, axis=1))
    both = write(text, table({"patient": first, "tumor_type": TUMOR[:18]}))
    log2 = LOG2.iloc[:, :18].set_axis(first, axis=1)
    yield Kind("patients only", both, must=(r"sample.?type", r"cohort\.sample_types"))
    off = ("cohort.sample_types=[]",)
    yield Kind("patients only, no types", both, off, log2=log2, labels=TUMOR[:18])


def types() -> Iterator[Kind]:
    words = "Primary,Normal;Tumor,Normal;TP,NT;01A,11A;1,11;01,11;T,N;tumor,normal;"
    words += "Primary Solid Tumor,Solid Tissue Normal;"
    words += "primary tumor,solid tissue normal;Primary Tumor,Normal Tissue"
    for pair in words.split(";"):
        tumor, normal = pair.split(",")
        kind = [normal if n else tumor for n in IS_NORMAL]
        full = {"sample": IDS, "tumor_type": TUMOR, "sample_type": kind}
        yield Kind(f"types {pair}", write(None, table(full)))
        ids = {**full, "sample": PLAIN_IDS, "patient": PATIENT}
        log2 = LOG2.set_axis(PLAIN_IDS, axis=1)
        plain = write(renamed(PLAIN_IDS), table(ids))
        yield Kind(f"types {pair}, other IDs", plain, log2=log2, patient_of=DONORS.__getitem__)
    suffixed = [f"{name}A-{i % 2}" for i, name in enumerate(IDS)]  # by anndata.concat
    copies = write(renamed(suffixed), table({"sample": suffixed, "tumor_type": TUMOR}))
    yield Kind("barcodes with a number behind", copies, log2=LOG2.set_axis(suffixed, axis=1))
    primary = 'cohort.sample_types=["Primary Tumor"]'
    for setting in (primary, 'cohort.sample_types=["1"]', 'cohort.sample_types=["01"]'):
        yield Kind(setting, write(), (setting,))
    yield Kind("all types", write(), ("cohort.sample_types=[]",))
    yield Kind("normals a class", write(), ("cohort.normals=class",), labels=WITH_CLASS)
    full = {"sample": PLAIN_IDS, "tumor_type": WITH_CLASS, "patient": PATIENT}
    given, log2 = write(renamed(PLAIN_IDS), table(full)), LOG2.set_axis(PLAIN_IDS, axis=1)
    of_plain = DONORS.__getitem__
    yield Kind("normals by label alone", given, log2=log2, labels=WITH_CLASS, patient_of=of_plain)
    sounds = [f"Normal {t}" if n else t for t, n in zip(TUMOR, IS_NORMAL, strict=True)]
    some = write(renamed(PLAIN_IDS), table({**full, "tumor_type": sounds}))
    yield Kind("labels that sound normal", some, must=(r"cohort\.sample_types = \[\]",))
    flags = table(
        {
            "sample": PLAIN_IDS,
            "tumor_type": TUMOR,
            "patient": PATIENT,
            "is_normal": [int(n) for n in IS_NORMAL],
        }
    )
    named = ("input.sample_type_column=is_normal",)
    yield Kind(
        "flags of normals", write(renamed(PLAIN_IDS), flags), named, must=("0 and 1", "Tumor")
    )
    labelled = write(None, table({"sample": IDS, "tumor_type": WITH_CLASS}))
    yield Kind("normals labelled as such", labelled, labels=WITH_CLASS)
    yield Kind("normals labelled as such, dropped", labelled, ("cohort.normals=drop",))
    ids = [
        n[:-2] + "03" if t == "LUAD" and not i else n
        for n, t, i in zip(IDS, TUMOR, IS_NORMAL, strict=True)
    ]
    blood = ["LAML" if t == "LUAD" else t for t in TUMOR]
    keep = [NO_SAMPLE if n else t for t, n in zip(blood, IS_NORMAL, strict=True)]
    text = table({"sample": ids, "tumor_type": blood})
    log2 = LOG2.set_axis(ids, axis=1)
    yield Kind("LAML", write(renamed(ids), text), log2=log2, labels=keep)
    skin = ["SKCM" if t == "LUAD" else t for t in TUMOR]
    ids = [
        n[:-2] + "06" if t == "SKCM" and int(n[9:12]) > 2 and not i else n
        for n, t, i in zip(IDS, skin, IS_NORMAL, strict=True)
    ]
    text, log2 = table({"sample": ids, "tumor_type": skin}), LOG2.set_axis(ids, axis=1)
    chosen = [NO_SAMPLE if n else t for t, n in zip(skin, IS_NORMAL, strict=True)]
    default = [
        NO_SAMPLE if name.endswith("-06") else t for name, t in zip(ids, chosen, strict=True)
    ]
    yield Kind("SKCM", write(renamed(ids), text), log2=log2, labels=default)
    both = ('cohort.sample_types=["tumor", "SKCM:06"]',)
    yield Kind("SKCM with 06", write(renamed(ids), text), both, log2=log2, labels=chosen)


def patients() -> Iterator[Kind]:
    ids, log2 = PLAIN_IDS, LOG2.set_axis(PLAIN_IDS, axis=1)
    full = {"sample": ids, "tumor_type": TUMOR, "sample_type": PRIMARY}
    for (
        name
    ) in "PATIENT_ID;patient;case_submitter_id;subject_id;donor;bcr_patient_barcode;Case ID".split(
        ";"
    ):
        text = table({**full, name: PATIENT})
        given = write(renamed(ids), text)
        yield Kind(f"patients in {name!r}", given, log2=log2, patient_of=DONORS.__getitem__)
    digits = [f"{i}_t" for i in range(len(ids))]
    x_prefix = write(
        renamed([f"X{name}" for name in digits]),
        table({**full, "sample": digits, "patient": PATIENT}),
    )
    of_digits = dict(zip(map(sample_key, digits), PATIENT, strict=True)).__getitem__
    log2_of_digits = LOG2.set_axis(digits, axis=1)
    yield Kind("R's X before digits", x_prefix, log2=log2_of_digits, patient_of=of_digits)
    order = list(dict.fromkeys(PATIENT))
    numbers = [
        str(order.index(name) + 7) + ".0" * n for name, n in zip(PATIENT, IS_NORMAL, strict=True)
    ]
    by_number = dict(zip(map(sample_key, ids), PATIENT, strict=True)).__getitem__
    text = table({**full, "patient": numbers})
    yield Kind(
        "patients 1 and 1.0",
        write(renamed(ids), text),
        ("cohort.normals=class",),
        log2=log2,
        labels=WITH_CLASS,
        patient_of=by_number,
    )
    finer = table(
        {**full, "case": [f"C{i + i % 2}" for i in range(len(ids))], "participant": PATIENT}
    )
    nested = write(renamed(ids), finer)
    yield Kind("the coarser of two columns", nested, log2=log2, patient_of=DONORS.__getitem__)
    words = ["case" if i % 2 else "control" for i in range(len(ids))]
    two = write(renamed(ids), table({**full, "case": words}))
    yield Kind("cases and controls", two, must=("patient", r"input\.patient_column"))
    unknown = write(renamed(ids), table(full))
    must = ("patient", r"cohort\.patients = .samples|input\.patient_column")
    yield Kind("no patients", unknown, must=must)
    apart = ("cohort.patients=samples",)
    yield Kind("each sample a patient", unknown, apart, log2=log2, patient_of=str)
    named = write(renamed(ids), table({**full, "who": PATIENT}))
    column = ("input.patient_column=who",)
    yield Kind(
        "a named column of patients", named, column, log2=log2, patient_of=DONORS.__getitem__
    )
    number = [str(i) for i in range(len(ids))]
    cased = write(None, table({"sample": IDS, "case": number, "tumor_type": TUMOR}))
    yield Kind("row numbers called case", cased, ('cohort.normals="class"',), labels=WITH_CLASS)
    yield from _programs()


def _programs() -> Iterator[Kind]:
    """Samples of other programs; two of each patient, the second a recurrence or a normal."""
    for name, first, second in (
        ("TARGET", "TARGET-30-PA{:04d}-01A-01R", "TARGET-30-PA{:04d}-02A-01R"),
        ("TARGET normals", "TARGET-30-PA{:04d}-01A-01R", "TARGET-30-PA{:04d}-14A-01R"),
    ):
        ids = [form.format(i) for i in range(12) for form in (first, second)]
        tumors = [TUMORS[i // 4] for i in range(12) for _ in range(2)]
        labels = [t if i % 2 == 0 else NO_SAMPLE for i, t in enumerate(tumors)]
        text = table({"sample": ids, "tumor_type": tumors})
        log2 = LOG2.set_axis(ids, axis=1)
        yield Kind(name, write(renamed(ids), text), log2=log2, labels=labels)
    ids = [f"GTEX-1{i // 2:03d}X-{i % 2}126-SM-5ABC{i}" for i in range(len(IDS))]
    mixed = IDS[:18] + ids[:6]
    text = table({"sample": mixed, "tumor_type": TUMOR[:18] + ["Breast"] * 6})
    labels = TUMOR[:18] + [NO_SAMPLE] * 6
    log2 = LOG2.set_axis(mixed, axis=1)
    yield Kind("TCGA and GTEx", write(renamed(mixed), text), log2=log2, labels=labels)


def labels() -> Iterator[Kind]:
    def labelled(change: Callable[[int, str], str]) -> str:
        return table({"sample": IDS, "tumor_type": [change(i, t) for i, t in enumerate(TUMOR)]})

    ways: dict[str, Callable[[int, str], str]] = {
        "a prefix in some": lambda i, t: f"TCGA-{t}" if i % 2 else t,
        "a prefix in all": lambda i, t: f"TCGA-{t}",
        "lower case in some": lambda i, t: t.lower() if i % 2 else t,
        "blanks in some": lambda i, t: f" {t} " if i % 2 else t,
    }
    for name, way in ways.items():
        yield Kind(f"labels with {name}", write(None, labelled(way)))
    codes = [
        NO_SAMPLE if n else str(TUMORS.index(t)) for t, n in zip(TUMOR, IS_NORMAL, strict=True)
    ]
    number = labelled(lambda i, t: f"{TUMORS.index(t)}" + ".0" * (i % 2))
    yield Kind("labels 0 and 0.0", write(None, number), labels=codes)
    long = labelled(lambda i, t: DISEASES[t])
    yield Kind("labels of several words", write(None, long))
    unlabelled = [NO_SAMPLE if i < 2 else t for i, t in enumerate(LABELS)]
    for word in MISSING:
        text = labelled(lambda i, t, word=word: word if i < 2 else t)
        drop = ("cohort.unlabelled=drop",)
        yield Kind(f"{word!r} is no label", write(None, text), drop, labels=unlabelled)
        if len(word) > 6:
            must = (IDS[0], r"\b2\b", r"cohort\.unlabelled")
            yield Kind(f"{word!r} is no label, error", write(None, text), must=must)
    moved = table({"id_a": IDS, "id_b": [*IDS[1:], IDS[0]], "tumor_type": TUMOR})
    must = ("id_a", "id_b", r"set input\.sample_column")
    yield Kind("two columns of IDs in two orders", write(None, moved), must=must)
    same = table({"id_a": IDS, "id_b": IDS, "tumor_type": TUMOR})
    yield Kind("two columns of the same IDs", write(None, same))
    bare = table({"sample": IDS, "tumor_type": TUMOR}).split("\n", 1)[1]
    yield Kind("a table without header", write(None, bare), must=("no header", IDS[0], r"s\.tsv"))
    for name, weak in {
        "study": ["GSE1", "GSE2"],
        "class": [0, 1],
        "group": ["treated", "control"],
    }.items():
        two = table(
            {
                "sample": IDS,
                "entity": [DISEASES[t].split()[0] for t in TUMOR],
                name: [weak[i % 2] for i in range(len(IDS))],
            }
        )
        must = (name, "entity", r"set input\.tumor_column")
        yield Kind(f"{name} beside an entity", write(None, two), must=must)
    centres = table({"sample": IDS, "COHORT": [f"{i % 4 + 1}.0" for i in range(len(IDS))]})
    must = (r"set input\.tumor_column", "COHORT")
    yield Kind("numbered cohorts are no tumors", write(None, centres), must=must)
    marked = "# exported\n# by me,\ttab\n#" + table({"sample": IDS, "tumor_type": TUMOR})
    yield Kind("a header behind comments", write(None, marked))
    words = [f"{t}, NOS" if t == "LUAD" else t for t in TUMOR]
    loose = "sample,tumor_type\n" + "".join(f"{s},{w}\n" for s, w in zip(IDS, words, strict=True))
    must = ("line 8", "quotes")
    yield Kind("commas without quotes", write(None, loose), must=must)
    own = pd.DataFrame({"sample": PLAIN_IDS, "tumor_type": TUMOR, "sex": "F", "patient": PATIENT})
    rows = text_of(own.set_index("sample").T, corner="sample")
    must = ("samples in columns", "transpose")
    yield Kind("own IDs in columns", write(renamed(PLAIN_IDS), rows), must=must)
    turned = pd.DataFrame({"sample": IDS, "tumor_type": TUMOR}).set_index("sample").T
    must = ("samples in columns", "transpose")
    yield Kind(
        "a table with samples in columns", write(None, text_of(turned, corner="id")), must=must
    )
    short = table({"sample": IDS[2:], "tumor_type": TUMOR[2:]})
    for name, of in {"genes": text_of(LOG2), "samples": text_of(LOG2.T, corner="sample")}.items():
        must = (IDS[0], r"\b2\b", r"cohort\.unlabelled")
        yield Kind(f"samples not in the table, {name} in rows", write(of, short), must=must)
        drop = ("cohort.unlabelled=drop",)
        yield Kind(f"the same, dropped, {name} in rows", write(of, short), drop, labels=unlabelled)
    rare = labelled(lambda i, t: "UVM" if i == 0 else t)
    yield Kind(
        "a rare tumor", write(None, rare), must=("UVM", r"splits\.folds|cohort\.rare_tumors")
    )
    gone = [NO_SAMPLE if i == 0 else t for i, t in enumerate(LABELS)]
    yield Kind(
        "a rare tumor, dropped", write(None, rare), ("cohort.rare_tumors=drop",), labels=gone
    )


def kinds() -> Iterator[Kind]:
    """All kinds of samples tables."""
    assert IS_NORMAL.count(True) == NORMALS * len(TUMORS)
    for group in (columns, forms, spellings, types, patients, labels):
        yield from group()
