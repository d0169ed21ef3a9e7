"""Kinds of text: delimiters, packing, headers, further rows and columns."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from input_kinds import IDS, LOG2, SYMBOLS, TUMOR, Kind, edit, text_of, write

PLAIN = text_of(LOG2)
ROWS = text_of(LOG2.T, corner="sample")  # samples in rows
CODES = [["BRCA", "LUAD", "KIRC"].index(t) for t in TUMOR]
CSV, TXT = {"matrix_name": "m.csv"}, {"matrix_name": "m.txt"}


def _zip(*texts: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"m{number}.tsv", text)
    return data.getvalue()


def _with_column(place: int, name: str, cells: list[str], text: str = PLAIN) -> str:
    def change(rows: list[list[str]]) -> None:
        for row, cell in zip(rows, [name, *cells], strict=True):
            row.insert(place if place >= 0 else len(row), cell)

    return edit(text, change)


def _with_row(place: int, cells: list[str], text: str = PLAIN) -> str:
    return edit(text, lambda rows: rows.insert(place, cells))


def _cut(text: str, line: int, cells: int) -> str:
    def change(rows: list[list[str]]) -> None:
        rows[line - 1] = rows[line - 1][:cells]

    return edit(text, change)


def _without_corner(text: str) -> str:
    return text.split("\t", 1)[1]


def _ends(text: str, end: str, header: bool = True) -> str:
    first, rest = text.split("\n", 1)
    body = "".join(line + end + "\n" for line in rest.splitlines())
    return first + (end if header else "") + "\n" + body


def delimiters() -> Iterator[Kind]:
    for name, sep in {"comma": ",", "semicolon": ";", "blank": " ", "tab": "\t"}.items():
        yield Kind(f"{name}, genes in rows", write(text_of(LOG2, sep), **CSV))
        yield Kind(f"{name}, samples in rows", write(text_of(LOG2.T, sep, "sample"), **CSV))
    for name, sep in {"semicolon": ";", "tab": "\t", "blank": " "}.items():
        for way, of in {"genes": LOG2, "samples": LOG2.T}.items():
            text = text_of(of, sep, decimal=",")
            yield Kind(f"{name}, decimal comma, {way} in rows", write(text, **TXT))
    quoted = text_of(LOG2, ",", decimal=",", quoting=1)
    yield Kind("comma, quoted, decimal comma", write(quoted, **CSV))
    yield Kind("several blanks", write(PLAIN.replace("\t", "   "), **TXT))
    yield Kind("named decimal", write(text_of(LOG2, ";", decimal=",")), ("input.decimal=comma",))
    yield Kind("named delimiter", write(text_of(LOG2, ";")), ("input.delimiter=semicolon",))
    three = LOG2.round(3).map("{:.3f}".format)
    yield Kind(
        "comma, three decimals, quoted", write(text_of(three, ",", quoting=1)), log2=LOG2.round(3)
    )


def packing() -> Iterator[Kind]:
    raw = PLAIN.encode()
    packed = {
        "gz": gzip.compress(raw),
        "bz2": bz2.compress(raw),
        "xz": lzma.compress(raw),
        "zst": pa.compress(raw, codec="zstd", asbytes=True),
        "zip": _zip(PLAIN),
    }
    for ending, data in packed.items():
        yield Kind(f"packed as {ending}", write(data, matrix_name=f"m.tsv.{ending}"))
        yield Kind(f"packed as {ending}, unnamed", write(data))
    two = gzip.compress(raw[:900]) + gzip.compress(raw[900:])
    yield Kind("gzip of two members", write(two, matrix_name="m.tsv.gz"))
    yield Kind("gzip and zeros", write(packed["gz"] + bytes(512), matrix_name="m.tsv.gz"))
    cut = write(packed["gz"][:-900], matrix_name="m.tsv.gz")
    yield Kind("gzip, cut off", cut, must=(r"cut off|damaged|broken|truncated|ends", "m.tsv.gz"))
    cut = write(packed["xz"][:-600], matrix_name="m.tsv.xz")
    yield Kind("xz, cut off", cut, must=(r"cut off|damaged|broken|truncated|ends", "m.tsv.xz"))
    zipped = write(_zip(PLAIN, ROWS), matrix_name="m.zip")
    yield Kind("zip of two tables", zipped, must=("zip", r"m0\.tsv|\b2\b|two|several|unpack"))
    page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
    yield Kind("web page", write(page), must=(r"web page|HTML", "download"))
    yield Kind("no bytes", write(""), must=("empty",))
    yield Kind("binary", write(bytes(range(256)) * 8), must=("m.tsv", r"text|binary|UTF-8"))
    for name, data in {
        "utf-16": PLAIN.encode("utf-16"),
        "utf-16-be": PLAIN.encode("utf-16-be"),
    }.items():
        yield Kind(name, write(data), must=("UTF-16",))
    yield Kind("BOM", write(b"\xef\xbb\xbf" + raw))
    yield Kind("CRLF", write(PLAIN.replace("\n", "\r\n")))
    yield Kind("CR", write(PLAIN.replace("\n", "\r")))
    yield Kind("no last line end", write(PLAIN.rstrip("\n")))


def corners() -> Iterator[Kind]:
    for corner in (
        "",
        "sample",
        "Hybridization REF",
        "#gene_id",
        "Unnamed: 0",
        "Composite Element REF",
    ):
        yield Kind(f"corner {corner!r}", write(text_of(LOG2, corner=corner)))
    yield Kind("corner '', samples in rows", write(text_of(LOG2.T, corner="")))
    yield Kind("no corner, genes in rows", write(_without_corner(PLAIN)))
    yield Kind("no corner, samples in rows", write(_without_corner(ROWS)))
    quoted = text_of(LOG2, " ", quoting=2)
    yield Kind("R's write.table", write(quoted.split(" ", 1)[1], **TXT))
    for name, text in {"genes": PLAIN, "samples": ROWS}.items():
        yield Kind(f"tabs behind all lines, {name} in rows", write(_ends(text, "\t")))
        yield Kind(f"tabs behind data, {name} in rows", write(_ends(text, "\t", header=False)))
    yield Kind("two tabs behind all lines", write(_ends(PLAIN, "\t\t")))
    yield Kind("lines of tabs at the end", write(PLAIN + "\t" * len(IDS) + "\n\n"))
    yield Kind("blank lines on top", write("\n\n" + PLAIN))
    yield Kind("comments on top", write("# a tool\n# with\ta tab\n#\n" + PLAIN))
    gct = f"#1.2\n{len(SYMBOLS)}\t{len(IDS)}\n"
    described = _with_column(1, "Description", ["na"] * len(SYMBOLS))
    yield Kind("GCT", write(gct + described.replace("gene", "NAME", 1), matrix_name="m.gct"))
    geo = '!Series_title\t"x"\n!Sample_title\t' + "\t".join(IDS) + "\n!series_matrix_table_begin\n"
    yield Kind(
        "GEO", write(geo + PLAIN.replace("gene", "ID_REF", 1) + "!series_matrix_table_end\n")
    )


def further_columns() -> Iterator[Kind]:
    n = len(SYMBOLS)
    words, numbers = ["protein_coding"] * n, [str(100 + i) for i in range(n)]
    for place, where in {1: "second", -1: "last"}.items():
        yield Kind(f"{where} column of words", write(_with_column(place, "biotype", words)))
        yield Kind(f"{where} column of numbers", write(_with_column(place, "Length", numbers)))
    yield Kind("Entrez behind symbol", write(_with_column(1, "Entrez_Gene_Id", numbers)))
    yield Kind("index in front", write(_with_column(0, "", [str(i) for i in range(n)])))
    two = _with_column(1, "end", numbers, _with_column(1, "chrom", ["chr1"] * n))
    yield Kind("position in front", write(two))
    csv = text_of(LOG2.assign(note=["a, b"] * n)[["note", *IDS]], ",")
    yield Kind("quoted column with commas", write(csv, **CSV))
    csv = text_of(LOG2.assign(note=["line\nline"] * n)[["note", *IDS]], ",")
    yield Kind("quoted column with line ends", write(csv, **CSV))
    yield Kind("unbalanced quotes", write(_with_column(1, "note", ['5" end'] * n)))
    last = text_of(LOG2.assign(gene=SYMBOLS)[[*IDS, "gene"]].set_index(IDS[0]), corner=IDS[0])
    yield Kind("gene names in the last column", write(last))
    yield Kind("gene names last, named", write(last), ("input.gene_column=gene",))
    index = text_of(LOG2.T.reset_index(names="sample"), corner="")
    yield Kind("index in front, samples in rows", write(index))
    labelled = LOG2.T.assign(tumor_type=TUMOR)
    for name, columns in {
        "first": ["tumor_type", *SYMBOLS],
        "last": [*SYMBOLS, "tumor_type"],
    }.items():
        text = text_of(labelled[columns], ",", "sample")
        yield Kind(f"label column {name}", write(text, **CSV))
        both = write(text, **CSV), ("input.samples=m.csv",)
        yield Kind(f"label column {name}, no table", *both)
    numeric = text_of(LOG2.T.assign(label=CODES)[["label", *SYMBOLS]], ",", "sample")
    yield Kind("numeric label column", write(numeric, **CSV), drops=("label",))


def further_rows() -> Iterator[Kind]:
    yield Kind("tumors above the header", write(_with_row(0, ["", *TUMOR])))
    yield Kind(
        "tumors below the header",
        write(_with_row(1, ["tumor_type", *TUMOR])),
        drops=("tumor_type",),
    )
    codes = [str(code) for code in CODES]
    yield Kind("numeric label row", write(_with_row(1, ["label", *codes])), drops=("label",))
    measure = ["gene_id", *["normalized_count"] * len(IDS)]
    yield Kind("measure below the header", write(_with_row(1, measure)))
    both = [measure[0], *["raw_count", "scaled_estimate"] * len(IDS)]
    doubled = LOG2[[name for name in IDS for _ in range(2)]]
    doubled = doubled * np.tile([1, 1e-6], len(IDS))
    text = _with_row(1, both, text_of(doubled, corner="Hybridization REF"))
    yield Kind("two measures", write(text), ("input.measure=raw_count",))
    yield Kind(
        "two measures, unnamed",
        write(text),
        must=(r"input\.measure", "raw_count", "scaled_estimate"),
    )
    tpm = doubled.set_axis(
        [f"{name}{end}" for name in IDS for end in ("_count", ".TPM")], axis=1
    ) * np.tile([40, 1], len(IDS))
    measured = write(text_of((tpm * np.tile([1, 1e6], len(IDS))).round(3)))
    must = (r"input\.measure", "count", "TPM")
    as_is = "input.scale=as_is"
    yield Kind("two measures in one header", measured, (as_is,), must=must)
    log2 = (LOG2 * 40).round(3)
    yield Kind(
        "two measures in one header, one named", measured, (as_is, "input.measure=count"), log2=log2
    )
    nobody = write(_with_row(1, measure, PLAIN).replace("TCGA-", "P"))
    yield Kind("no sample of the table", nobody, must=("sample", "PBR-A000-01"))
    yield Kind("a short line", write(_cut(PLAIN, 9, 12)), must=(r"line 9",))
    longer = _with_column(-1, "", [""] * len(SYMBOLS))
    longer = edit(longer, lambda rows: rows[6].__setitem__(-1, "3.5"))
    yield Kind("a long line", write(longer), must=(r"line 7|column 26|without a name|unnamed",))
    total = [str(x) for x in LOG2.sum().round(3)]
    yield Kind("total below", write(_with_row(41, ["Total", *total])), drops=("Total",))
    geo = '!Series_title\t"A"\n!series_matrix_table_begin\n"ID_REF"\t' + "\t".join(IDS)
    text = geo + "\n!series_matrix_table_end\n"
    yield Kind("a series matrix without values", write(text), must=("GEO", "supplementary"))
    bare = text_of(LOG2).split("\n", 1)[1]
    yield Kind("no header", write(bare), must=("no header", r"m\.tsv"))
    alone = pd.DataFrame(LOG2.to_numpy())
    text = text_of(alone, corner="")
    yield Kind("no names at all", write(text), must=("sample",))


def kinds() -> Iterator[Kind]:
    """All kinds of text."""
    for group in (delimiters, packing, corners, further_columns, further_rows):
        yield from group()
