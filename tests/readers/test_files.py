"""What the user's inputs may be besides files: each is one message at once, never a traceback."""

import errno
import gzip
import os
import stat
from pathlib import Path

import pytest

from jobs import init, prepare
from tumorcam.errors import InputError
from tumorcam.operations.stages import input_digest
from tumorcam.readers import annotation, files, inputs, markers
from tumorcam.readers.binary.columnar import read_columnar
from tumorcam.readers.binary.h5ad import read_h5ad
from tumorcam.readers.files import open_input
from tumorcam.readers.genes.gene_table import map_names
from tumorcam.readers.samples_table.tidy import tidy
from tumorcam.readers.tables import frames, lines
from tumorcam.readers.tables.expression import read_text_matrix
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.tables.names import require_names
from tumorcam.settings import FaithfulnessSettings, InputSettings, LayoutSettings

TABLE = "sample\ttumor\na\tx\n"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


NO_FILES = {
    "absent": (lambda path: None, r"is no file \(No such file or directory\)"),
    "folder": (Path.mkdir, r"is no file \(Is a directory\)"),
    "fifo": (fifo, r"is no file \(it is a FIFO, a pipe with a name\)"),
    "link to a fifo": (
        lambda path: (fifo(path.with_name("pipe")), path.symlink_to("pipe")),
        r"is no file \(it is a FIFO",
    ),
    "device": (lambda path: path.symlink_to("/dev/zero"), r"is no file \(it is a device\)"),
    "loop": (loop, r"cannot be read \(Too many levels of symbolic links\)"),
    "dangling": (dangling, r"is no file \(No such file or directory\)"),
}
NO_PATHS = {
    "too long": ("x" * 300, r"cannot be read \(File name too long\)"),
    "far too long": ("x/" * 4000, r"\(\d+ more characters\) cannot be read \(File name too long\)"),
    "NUL": ("a\0b", r"'a\\x00b' cannot be read \(its name has a NUL byte\)"),
    "undecodable": ("a\udcffb", r"'a\\udcffb' cannot be read \(its name is no UTF-8 text\)"),
    "no text": ("a\ud800b", r"'a\\ud800b' cannot be read \(its name is no UTF-8 text\)"),
    "below a file": ("/etc/passwd/x", r"is no file \(Not a directory\)"),
}


def is_a(name):
    return name == "a"


def read_matrix(path, **settings):
    return read_text_matrix(path, InputSettings(**settings), is_a, None)


def read_samples(path):
    return read_frame(path).table


READERS = {
    "matrix": read_matrix,
    "samples": read_samples,
    "inputs": lambda path: inputs.open_inputs(InputSettings((str(path),), (str(path),))),
    "input files": lambda path: inputs.input_files(InputSettings(samples=(str(path),))),
    "h5ad": lambda path: read_h5ad(path, InputSettings(), None, is_a),
    "parquet": lambda path: read_columnar(path, InputSettings(), is_a, None),
    "gene table": lambda path: map_names(["a"], path),
    "annotation": lambda path: annotation.annotation_files(
        LayoutSettings(kind="chromosome", annotation=str(path))
    ),
    "markers": lambda path: markers.read_markers(FaithfulnessSettings(markers=str(path)), [], []),
    "digest": files.file_digest,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, reader):
    make, message = NO_FILES[name]
    path = tmp_path / "input"
    make(path)
    with pytest.raises(InputError, match=message) as error:
        READERS[reader](path)
    assert str(error.value).startswith(f"{path} ")
    assert "wanted a regular file that you may read: check " in str(error.value)


@pytest.mark.parametrize("name", sorted(set(NO_FILES) - {"absent", "folder"}))
def test_an_expression_that_is_no_regular_file_is_refused_too(tmp_path, name):
    make, message = NO_FILES[name]
    make(tmp_path / "input")
    with pytest.raises(InputError, match=message):
        inputs.open_inputs(InputSettings((str(tmp_path / "input"),)))


@pytest.mark.parametrize("name", NO_PATHS)
def test_an_expression_that_cannot_be_a_path_is_refused_too(name):
    with pytest.raises(InputError, match=r"cannot be read|no file") as error:
        inputs.open_inputs(InputSettings((NO_PATHS[name][0],)))
    assert len(str(error.value)) < 600 and str(error.value).isprintable()


def test_an_absent_expression_and_an_empty_folder_name_the_setting(tmp_path):
    for name, message in (("absent.tsv", "no file or folder has this path"), ("", "no data file")):
        with pytest.raises(InputError, match=rf"^input\.expression = '{tmp_path}.*{message}"):
            inputs.open_inputs(InputSettings((str(tmp_path / name),)))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NO_PATHS)
def test_what_cannot_be_a_path_is_refused(name, reader):
    text_of_path, message = NO_PATHS[name]
    with pytest.raises(InputError, match=message) as error:
        READERS[reader](Path(text_of_path))
    assert len(str(error.value)) < 500


def test_a_link_to_a_file_is_the_file(tmp_path):
    (tmp_path / "table.tsv").write_text(TABLE)
    (tmp_path / "link").symlink_to("table.tsv")
    assert read_samples(tmp_path / "link")["tumor"].tolist() == ["x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text(TABLE)
    path.chmod(0)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_samples(path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.ESTALE, errno.EMFILE])
def test_a_file_that_the_system_does_not_open_is_refused(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    (tmp_path / "table.tsv").write_text(TABLE)
    monkeypatch.setattr(files, "_without_waiting", refuse)
    with pytest.raises(InputError, match=rf"cannot be read \({os.strerror(code)}\)"):
        read_samples(tmp_path / "table.tsv")


@pytest.mark.parametrize("reader", ["matrix", "samples", "digest"])
def test_an_error_of_the_disk_while_reading_is_one_message(tmp_path, reader):
    """A process may open its own memory, and reading address 0 of it is an input/output error."""
    path = Path("/proc/self/mem")
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(InputError, match=r"/proc/self/mem cannot be read \(Input/output error\)"):
        READERS[reader](path)


def test_the_file_is_closed(tmp_path):
    (tmp_path / "table.tsv").write_text(TABLE)
    with open_input(tmp_path / "table.tsv") as stream:
        assert stream.read() == TABLE.encode()
    assert stream.closed


@pytest.mark.parametrize("key", ["expression", "samples"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_prepare_does_not_wait_for_a_pipe(tiny_toml, tmp_path, capsys, key, dry):
    fifo(tmp_path / "pipe")
    assert prepare.main([tiny_toml, "--set", f"input.{key}={tmp_path / 'pipe'}", *dry]) == 1
    printed = capsys.readouterr().err
    assert "it is a FIFO" in printed and "Traceback" not in printed


def test_neither_does_the_digest_of_the_input_nor_init(tiny_config, tiny_files, tmp_path, capsys):
    tiny_files[1].unlink()
    fifo(tiny_files[1])
    with pytest.raises(InputError, match="it is a FIFO"):
        input_digest(tiny_config)
    assert init.main([str(tmp_path / "new.toml"), "--samples", str(tiny_files[1])]) == 1
    assert "it is a FIFO" in capsys.readouterr().err


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    path = tmp_path / "table.tsv.gz"
    path.write_bytes(gzip.compress(b"sample\ttumor\n" + b"x" * 10**7))
    with pytest.raises(InputError, match="line 2 has more than 1,000 bytes") as error:
        read_samples(path)
    assert len(str(error.value)) < 500
    path.write_bytes(gzip.compress(TABLE.encode() + b"b\t" + b"x" * 997 + b"\n"))
    assert len(read_samples(path)) == 2


def test_a_table_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "MAX_BYTES", 1000)
    path = tmp_path / "list.gmt"
    path.write_text(TABLE + "a\tx\n" * 300)
    for read in (read_samples, READERS["markers"], READERS["gene table"]):
        with pytest.raises(InputError, match="has more than 1,000 bytes"):
            read(path)


@pytest.mark.parametrize("reader", ["matrix", "samples", "markers", "annotation", "gene table"])
def test_a_nul_byte_is_refused(tmp_path, reader):
    path = tmp_path / "table.tsv"
    path.write_bytes(b"gene\ttumor\na\tx\nb\0\ty\n")
    read = READERS[reader] if reader != "annotation" else lambda p: annotation.gene_places(p, ["a"])
    with pytest.raises(InputError, match=r"NUL byte"):
        read(path)


def test_a_long_quoted_cell_is_read_as_it_stands(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('sample,tumor\na,"' + "x, " * 40_000 + '"\nb,y\n')
    assert read_samples(path)["tumor"].tolist() == [("x, " * 40_000).strip(), "y"]
    path.write_text('sample,tumor\na,"' + "x, " * 90_000 + '"\nb,y\n')
    with pytest.raises(InputError, match=r"table\.csv.*cells") as error:
        read_samples(path)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("n_comments", [0, 3])
def test_a_header_longer_than_the_first_piece_of_the_file(tmp_path, n_comments):
    """As of 120,000 cells of a single-cell atlas with names of 40 letters."""
    names = ["a", *(f"{i:0100}" for i in range(45_000))]
    rows = [f"G{row}\t" + "\t".join([str(row)] * len(names)) for row in range(3)]
    comments = ["# by a program"] * n_comments
    path = tmp_path / "matrix.tsv"
    path.write_text("\n".join([*comments, "\t".join(["gene", *names]), *rows]) + "\n")
    matrix = read_matrix(path)
    assert (matrix.samples, matrix.genes) == (names, ["G0", "G1", "G2"])
    assert matrix.values.block(slice(0, 3))[:, -1].tolist() == [0, 1, 2]


def test_lone_carriage_returns_end_lines(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"sample,tumor\ra,x\rb,y\r")
    assert read_samples(path)["tumor"].tolist() == ["x", "y"]


def test_many_long_names_make_a_short_message(tmp_path):
    """Names of a megabyte, in a table of two thousand columns."""
    path = tmp_path / "table.tsv"
    names = [f"{'n' * 10**6}{i}" for i in range(4)] + [f"c{i}" for i in range(2000)]
    row = "\t".join("v" * 10**6 if i < 4 else "1" for i in range(len(names)))
    path.write_text("\t".join(names) + f"\n{row}\n")
    table = read_samples(path)
    for attempt in (
        lambda: tidy(table, ["m" * 10**6], InputSettings(), path),
        lambda: tidy(table, ["v" * 10**6], InputSettings(), path),
        lambda: tidy(table, ["1"], InputSettings(sample_column="q"), path),
        lambda: read_matrix(path),
        lambda: read_matrix(path, gene_column="symbol"),
        lambda: annotation.gene_places(path, ["A"]),
    ):
        with pytest.raises(InputError) as error:
            attempt()
        assert len(str(error.value)) < 4000


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "\x1b[31m", "a\x85", "x" * 501, "a\u2028b"])
def test_names_that_fit_in_no_table_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"has the gene .* wanted a name of at most 500"):
        require_names(["TP53", name], "gene", tmp_path)
    require_names(["TP53", "Ärzte 1/2 'x'", "?|100130426", "x" * 500], "gene", tmp_path)


@pytest.mark.parametrize("cell", ["A\x1bB", "A" * 501])
def test_names_are_refused_where_they_are_read(tmp_path, cell):
    path = tmp_path / "table.csv"
    path.write_text(f"gene,a,b\n{cell},1,2\nG2,3,4\n")
    with pytest.raises(InputError, match="has the gene '"):
        read_matrix(path)
    path.write_text(f"sample,tumor\nS1,{cell}\nS2,y\n")
    with pytest.raises(InputError, match="has the tumor '"):
        tidy(read_samples(path), ["S1", "S2"], InputSettings(), path)
