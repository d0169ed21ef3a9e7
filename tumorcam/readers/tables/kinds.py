"""Files that are no text tables, told by their first bytes, and how to export each as one."""

import codecs
import re

EXPORT_R = 'in R, write it as text: write.table(x, "matrix.tsv", sep = "\\t", quote = FALSE)'
EXPORT_PYTHON = 'in Python, write it as text: pandas.DataFrame(x).to_csv("matrix.tsv", sep="\\t")'
EXPORT_SHEET = "open it in a spreadsheet program and save the sheet as CSV or TSV"
GET_AGAIN = "download the file itself"
UNPACK = "unpack it"
TO_UTF8 = "save it as UTF-8, for instance with: iconv -f {} -t UTF-8 FILE > NEW_FILE"

SIGNATURES = (  # first bytes, what such a file is, and what to do with it
    (b"X\n\0\0\0", "an R object (.rds)", EXPORT_R),
    (b"A\n", "an R object (.rds) in ASCII", EXPORT_R),
    (b"RDX", "an R workspace (.RData)", EXPORT_R),
    (b"RDA", "an R workspace (.RData) in ASCII", EXPORT_R),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", EXPORT_SHEET),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", 'an AnnData file is read with input.format = "h5ad"'),
    (b"PAR1", "a Parquet file", EXPORT_PYTHON),
    (b"ARROW1", "a Feather or Arrow file", EXPORT_PYTHON),
    (b"FEA1", "an old Feather file", EXPORT_PYTHON),
    (b"\x93NUMPY", "a NumPy array (.npy)", EXPORT_PYTHON),
    (b"%PDF", "a PDF document", "get the table itself from its publisher as TSV or CSV"),
    (b"BAM\1", "a file of aligned reads (BAM)", "count its reads per gene first"),
    (b"SQLite format 3\0", "an SQLite database", EXPORT_PYTHON),
    (b"MATLAB 5.0", "a MATLAB file", 'in MATLAB, write it as text: writetable(t, "matrix.csv")'),
    (b"\x1f\x8b", "a gzip file within another packed file", UNPACK + " twice (gunzip)"),
    (b"BZh", "a bzip2 file within another packed file", UNPACK + " twice (bunzip2)"),
    (b"\xfd7zXZ\0", "an xz file within another packed file", UNPACK + " twice (unxz)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file within another packed file", UNPACK + " twice (unzstd)"),
    (b"PK\3\4", "a zip archive within another packed file", UNPACK + " twice (unzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x1f\x9d", "a file packed by compress (.Z)", UNPACK + " (uncompress)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", GET_AGAIN + " (git lfs pull)"),
    (
        b"%%MatrixMarket",
        "a sparse matrix (.mtx)",
        "in Python, scanpy.read_10x_mtx reads it with the "
        "names beside it: write the result with write_h5ad",
    ),
    (b"{\\rtf", "an RTF document", "save it as plain text, with tabs between the cells"),
)
ZIP_KINDS = (  # usual suffix, bytes near the beginning, what such an archive is
    (".xlsx", b"xl/", f"an Excel workbook (.xlsx); wanted a text table: {EXPORT_SHEET}"),
    (".ods", b"opendocument", f"a spreadsheet (.ods); wanted a text table: {EXPORT_SHEET}"),
    (".docx", b"word/", "a Word document; wanted a text table in TSV or CSV"),
    (".npz", b".npy", f"a NumPy archive (.npz); wanted a text table: {EXPORT_PYTHON}"),
)
BYTE_ORDER_MARKS = (  # UTF-32 before UTF-16, whose mark begins that of UTF-32
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body)\b", re.I | re.S)
XML = re.compile(rb"\s*<(\?xml|[A-Za-z_][\w:.-]*[\s/>])")
JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[\[{"\]\d-])')
TAR_MAGIC = slice(257, 262)
PICKLE = re.compile(rb"\x80[\x02-\x05]")


def no_text(head: bytes) -> str:
    """What a file is that is no text in UTF-8, and what to do with it; empty for a text.

    Parameters
    ----------
    head : bytes
        The first bytes of the file, after unpacking; 64 KiB are enough.
    """
    for signature, kind, remedy in SIGNATURES:
        if head.startswith(signature):
            return f"is {kind}; wanted a text table: {remedy}"
    if head[TAR_MAGIC] == b"ustar":
        return f"is a tar archive; wanted one text table: {UNPACK} (tar -xf) and name its files"
    if PICKLE.match(head):
        return f"is a Python pickle, which is never read; wanted a text table: {EXPORT_PYTHON}"
    return _markup(head) or _encoding(head)


def _markup(head: bytes) -> str:
    text = head.removeprefix(codecs.BOM_UTF8)
    if WEB_PAGE.match(text):
        return (
            "is a web page, such as the message of a failed download; wanted a text table: "
            f"{GET_AGAIN}, not the page that links to it"
        )
    if XML.match(text):
        return f"is XML; wanted a text table: {GET_AGAIN} as TSV or CSV"
    if JSON.match(text):
        return f"is JSON; wanted a text table: {GET_AGAIN} as TSV or CSV, or {EXPORT_PYTHON}"
    return ""


def _encoding(head: bytes) -> str:
    for mark, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return f"is text in {name}; wanted UTF-8: " + TO_UTF8.format(name)
    if head.count(b"\0") > len(head) // 4:
        order = "LE" if head[1:2] == b"\0" else "BE"
        return f"looks like text in UTF-16; wanted UTF-8: {TO_UTF8.format('UTF-16' + order)}"
    if b"\0" in head:
        return "has NUL bytes, so that it is damaged or no text; wanted TSV or CSV in UTF-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        if len(re.findall(rb"[\x00-\x08\x0e-\x1f\x7f]", head)) > len(head) // 50:
            return "is no text but some binary format; wanted a text table in TSV or CSV"
        return f"is no UTF-8 text: {not_utf8(head, error.start)}"
    return ""


def not_utf8(text: bytes, position: int, n_lines: int = 0) -> str:
    """Where a text is not UTF-8, below a number of lines, and how to convert it."""
    line = text.count(b"\n", 0, position) + n_lines + 1
    return (
        f"line {line} has the byte 0x{text[position]:02x}, as in Latin-1 or Windows-1252; "
        + TO_UTF8.format("WINDOWS-1252")
    )
