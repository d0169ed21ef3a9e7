"""Downloads from the GDC: whole, resumed, damaged on the way, stopped, and not done twice."""

import errno
import fcntl
import hashlib
import os
import signal
import threading
import time

import gdc_stand_in
import pytest

from tumorcam.cluster.preemption import stop_on_signal
from tumorcam.errors import FileError, PreemptedError, ServerError
from tumorcam.operations import gdc_download
from tumorcam.operations.gdc_download import (
    bring_file,
    bytes_to_fetch,
    download,
    locked,
    part_of,
    path_of,
)
from tumorcam.operations.gdc_query import Query, list_files

BRCA = Query(("TCGA-BRCA",))
LONG = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with gdc_stand_in.running() as server:
        server.add(0, content=LONG)
        yield server


@pytest.fixture
def file(stand_in):
    return list_files(stand_in.client(), BRCA)[0]


def bring(stand_in, file, folder):
    return bring_file(stand_in.client(), file, folder, lambda size: None)


def ranges(stand_in):
    return [headers.get("Range") for headers in stand_in.headers if "Content-Type" not in headers]


def test_a_file_is_brought_once(stand_in, file, tmp_path):
    assert bring(stand_in, file, tmp_path) is True
    assert path_of(tmp_path, file) == tmp_path / file.file_id / file.name
    assert path_of(tmp_path, file).read_bytes() == LONG
    assert bring(stand_in, file, tmp_path) is False
    assert stand_in.downloads() == [file.file_id]
    assert [path.name for path in (tmp_path / file.file_id).iterdir()] == [file.name]


def test_an_empty_file_is_a_file(stand_in, tmp_path):
    stand_in.contents[stand_in.hits[0]["file_id"]] = b""
    stand_in.hits[0].update(file_size=0, md5sum=hashlib.md5(b"").hexdigest())
    (file,) = list_files(stand_in.client(), BRCA)
    assert bring(stand_in, file, tmp_path) is True
    assert path_of(tmp_path, file).read_bytes() == b""


@pytest.mark.parametrize("content", [b"", b"x" * len(LONG), LONG[:-1]])
def test_a_damaged_file_is_replaced(stand_in, file, tmp_path, content):
    path_of(tmp_path, file).parent.mkdir()
    path_of(tmp_path, file).write_bytes(content)
    assert bring(stand_in, file, tmp_path) is True
    assert path_of(tmp_path, file).read_bytes() == LONG


def keep_part(folder, file, content):
    part_of(folder, file).parent.mkdir(exist_ok=True)
    part_of(folder, file).write_bytes(content)


def test_a_part_is_continued(stand_in, file, tmp_path):
    keep_part(tmp_path, file, LONG[:1000])
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG
    assert ranges(stand_in) == ["bytes=1000-"]


def test_a_part_that_is_whole_needs_no_request(stand_in, file, tmp_path):
    keep_part(tmp_path, file, LONG)
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG and ranges(stand_in) == []


@pytest.mark.parametrize("n_bytes", [1000, len(LONG)], ids=["begun", "whole"])
def test_a_part_of_other_bytes_is_deleted_and_fetched_anew(stand_in, file, tmp_path, n_bytes):
    keep_part(tmp_path, file, b"?" * n_bytes)
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG
    assert ranges(stand_in)[-1] is None


def test_a_part_that_is_too_long_is_fetched_anew(stand_in, file, tmp_path):
    keep_part(tmp_path, file, LONG + b"?")
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG and ranges(stand_in) == [None]


def in_ranges(answer):
    """A rule for requests of a range."""

    def rule(handler, n_before):
        if handler.command == "GET" and handler.start is not None:
            answer(handler)
            return True
        return False

    return rule


RANGE_ANSWERS = {
    "no ranges": lambda h: h.answer(200, LONG),
    "416": lambda h: h.answer(416, b"", {"Content-Range": f"bytes */{len(LONG)}"}),
    "no Content-Range": lambda h: h.answer(206, LONG[h.start :]),
    "another start": lambda h: h.answer(
        206, LONG[500:], {"Content-Range": f"bytes 500-{len(LONG) - 1}/{len(LONG)}"}
    ),
    "another size": lambda h: h.answer(
        206, LONG[h.start :], {"Content-Range": f"bytes {h.start}-{len(LONG) - 1}/99"}
    ),
    "nonsense": lambda h: h.answer(206, LONG[h.start :], {"Content-Range": "lines 1-2/3"}),
}


@pytest.mark.parametrize("answer", RANGE_ANSWERS.values(), ids=RANGE_ANSWERS.keys())
def test_a_server_that_does_not_go_on_is_asked_for_all(stand_in, file, tmp_path, answer):
    stand_in.rules.append(in_ranges(answer))
    keep_part(tmp_path, file, LONG[:1000])
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG
    assert len(stand_in.downloads()) == (1 if answer is RANGE_ANSWERS["no ranges"] else 2)


def test_a_transfer_that_breaks_off_is_continued(stand_in, file, tmp_path):
    def rule(handler, n_before):
        if handler.command == "GET" and not n_before:
            handler.answer(200, LONG, missing=400_000)
            return True
        return False

    stand_in.rules.append(rule)
    bring(stand_in, file, tmp_path)
    assert path_of(tmp_path, file).read_bytes() == LONG
    first, second = ranges(stand_in)
    assert first is None and 0 < int(second[6:-1]) <= len(LONG) - 400_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"?" * len(LONG), f"sent MD5 {hashlib.md5(b'?' * len(LONG)).hexdigest()}, but lists"),
        (LONG[:-5], f"sent {len(LONG) - 5:,} bytes, but lists {len(LONG):,}"),
        (LONG + b"?", f"sent more than {len(LONG):,} bytes, but lists"),
        (b"<html>Log in</html>", "sent 19 bytes, but lists"),
    ],
)
def test_other_bytes_than_listed_are_an_error(stand_in, file, tmp_path, content, message):
    stand_in.contents[file.file_id] = content
    with pytest.raises(ServerError, match=message) as failed:
        bring(stand_in, file, tmp_path)
    assert f"{file.file_id}/{file.name}: " in str(failed.value)
    assert not path_of(tmp_path, file).exists()
    assert len(stand_in.downloads()) >= 3


def test_bytes_to_fetch_leaves_out_what_is_there(stand_in, file, tmp_path):
    assert bytes_to_fetch(tmp_path, [file]) == len(LONG)
    keep_part(tmp_path, file, LONG[:1000])
    assert bytes_to_fetch(tmp_path, [file]) == len(LONG) - 1000
    bring(stand_in, file, tmp_path)
    assert bytes_to_fetch(tmp_path, [file]) == 0


def test_all_files_are_brought_in_parallel(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    meeting = threading.Barrier(4)  # breaks unless four requests are open at the same time
    with gdc_stand_in.running(8) as server:
        server.rules.append(lambda h, n: h.command == "GET" and meeting.wait(10) is None)
        files = list_files(server.client(), BRCA)
        reports = []
        outcomes = download(
            server.client(), files, tmp_path, parallel=4, show=lambda *n: reports.append(n)
        )
    assert sorted(o.file.file_id for o in outcomes) == [f.file_id for f in files]
    assert all(o.is_fetched and not o.error for o in outcomes)
    n_bytes = sum(file.size for file in files)
    assert reports[-1] == (n_bytes, n_bytes)


def test_files_that_fail_do_not_stop_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with gdc_stand_in.running(8) as server:
        files = list_files(server.client(), BRCA)
        del server.contents[files[2].file_id]
        server.contents[files[5].file_id] = b"?"
        outcomes = download(server.client(), files, tmp_path, parallel=4, show=lambda *n: None)
    faults = {o.file.file_id: o.error for o in outcomes if o.error}
    assert faults.keys() == {files[2].file_id, files[5].file_id}
    assert "answered 404" in faults[files[2].file_id]
    assert sum(o.is_fetched for o in outcomes) == 6


def test_a_server_that_always_fails_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with gdc_stand_in.running(40) as server:
        files = list_files(server.client(), BRCA)
        server.contents.clear()
        outcomes = download(server.client(), files, tmp_path, parallel=2, show=lambda *n: None)
    assert len(outcomes) == gdc_download.MAX_FAILED_IN_A_ROW == 20


def test_a_full_disk_ends_it(stand_in, file, tmp_path, monkeypatch):
    def write(*words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gdc_download, "_write", write)
    with pytest.raises(FileError, match="no space left to write"):
        download(stand_in.client(), [file], tmp_path, parallel=1, show=lambda *n: None)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_quickly_and_keeps_parts(stand_in, file, tmp_path, name):
    released, ended = threading.Event(), threading.Event()

    def half(handler, n_before):
        if handler.command != "GET" or handler.start is not None:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(LONG)))
        handler.end_headers()
        handler.wfile.write(LONG[:600_000])
        while not part_of(tmp_path, file).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.Signals[name])
        released.wait(60)  # a server that hangs
        ended.set()
        handler.close_connection = True
        return True

    stand_in.rules.append(half)
    stops = pytest.raises(PreemptedError, match=f"stopped by {name} after 0 of 1")
    with stops as stopped, stop_on_signal():
        download(stand_in.client(), [file], tmp_path, parallel=1, show=lambda *n: None)
    assert not ended.is_set(), "it waited for the server"
    assert stopped.value.signal == name
    released.set()
    assert LONG.startswith(part_of(tmp_path, file).read_bytes())
    assert bring(stand_in, file, tmp_path) is True
    assert path_of(tmp_path, file).read_bytes() == LONG


def test_a_second_process_is_kept_out(tmp_path):
    with locked(tmp_path), pytest.raises(FileError, match="another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def no_locks(*words):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(tmp_path):
        pass


def test_what_is_in_the_way_is_one_message(stand_in, file, tmp_path):
    (tmp_path / file.file_id).write_text("a file")
    (outcome,) = download(stand_in.client(), [file], tmp_path, parallel=1, show=lambda *n: None)
    assert f"{tmp_path / file.file_id}" in outcome.error
