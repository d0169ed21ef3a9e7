"""Packed files give their bytes; every other kind of file is named, with a way to a text."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.tables.packing import open_unpacked

TEXT = b"gene\tS1\tS2\n" + b"".join(b"G%d\t%d\t2.5\n" % (i, i) for i in range(60_000))


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("m.tsv")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def saved(write, value):
    stream = io.BytesIO()
    write(stream, value)
    return stream.getvalue()


def unpacked(path, content):
    path.write_bytes(content)
    with open_unpacked(path, "input.samples") as stream:
        return stream.read()


PACKED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip_members": gzip.compress(TEXT[:99]) + gzip.compress(b"") + gzip.compress(TEXT[99:]),
    "gzip_zeros": gzip.compress(TEXT) + bytes(4096),
    "gzip_garbage": gzip.compress(TEXT) + b"garbage",
    "bzip2": bz2.compress(TEXT),
    "bzip2_members": bz2.compress(TEXT[:99]) + bz2.compress(TEXT[99:]),
    "xz": lzma.compress(TEXT),
    "zstd": zstd(TEXT),
    "zip": zipped({"m.tsv": TEXT}),
    "zip_of_macos": zipped({"m.tsv": TEXT, "__MACOSX/._m.tsv": b"x", "folder/": b""}),
}
OTHER_KINDS = {
    "empty": (b"", "is empty"),
    "empty_gzip": (gzip.compress(b""), "is empty"),
    "xlsx": (zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), ".xlsx"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "old Excel workbook"),
    "rds": (gzip.compress(b"X\n\0\0\0\3\0\4" + bytes(99)), "R object"),
    "rdata": (gzip.compress(b"RDX3\nX\n\0\0\0\3"), "R workspace"),
    "tar": (tarred(TEXT), "tar archive"),
    "tar_gz": (gzip.compress(tarred(TEXT)), "tar archive"),
    "npz": (saved(np.savez, np.arange(9)), "NumPy archive"),
    "npy": (saved(np.save, np.arange(9)), "NumPy array"),
    "gzip_twice": (gzip.compress(gzip.compress(TEXT)), "gunzip"),
    "pickle": (pickle.dumps(pd.DataFrame({"a": [1]})), "pickle"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "input.format"),
    "hdf5_gz": (gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(99)), "packed HDF5"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>404", "web page"),
    "xml": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "XML"),
    "json": (b'{"message": "no such file"}', "JSON"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "utf16": ("gene\tS1\n".encode("utf-16"), "iconv -f UTF-16 "),
    "utf16_bare": ("gene\tS1\nG1\t2\n".encode("utf-16-le"), "iconv -f UTF-16LE"),
    "utf32": ("gene\tS1\n".encode("utf-32"), "UTF-32"),
    "latin1": ("gene\tS1\nG\xe9ne\t2\n".encode("latin-1"), "line 2 has the byte 0xe9"),
    "binary": (bytes(range(128, 256)) * 9 + bytes(range(1, 32)) * 9, "binary"),
    "zip_of_two": (zipped({"a.tsv": TEXT, "b.tsv": TEXT}), "zip archive of 2 files"),
    "zip_broken": (zipped({"a.tsv": TEXT})[:-30], "damaged"),
    "gzip_cut": (gzip.compress(TEXT)[:-99], "cut off or broken"),
    "gzip_changed": (gzip.compress(TEXT)[:-8] + b"wrong!!!", "cut off or broken"),
    "bzip2_cut": (bz2.compress(TEXT)[:-99], "cut off or broken"),
    "xz_cut": (lzma.compress(TEXT)[:-99], "cut off or broken"),
    "zstd_cut": (zstd(TEXT)[:-99], "cut off or broken"),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_text_is_read_by_content(kind, tmp_path):
    assert unpacked(tmp_path / "m.anything", PACKED[kind]) == TEXT


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_are_named(kind, tmp_path):
    content, words = OTHER_KINDS[kind]
    with pytest.raises(InputError) as error:
        unpacked(tmp_path / "m.tsv", content)
    assert words in str(error.value)
    assert len(str(error.value)) < 1000


def test_bytes_after_the_end_are_reported(tmp_path, caplog):
    unpacked(tmp_path / "m.tsv.gz", PACKED["gzip_garbage"])
    assert "after the end of its packed stream" in caplog.text


def test_reader_may_stop_early(tmp_path):
    path = tmp_path / "m.tsv.gz"
    path.write_bytes(gzip.compress(TEXT * 40))  # more than the thread reads ahead
    with open_unpacked(path) as stream:
        assert stream.read(4) == b"gene"
    with open_unpacked(path) as stream:
        assert len(stream.read()) == 40 * len(TEXT)


def test_encrypted_zip_is_refused(tmp_path):
    content = bytearray(zipped({"m.tsv": TEXT}))
    content[6] |= 1  # the flag of encryption, in both headers
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(InputError, match="unpack it first"):
        unpacked(tmp_path / "m.zip", bytes(content))
