"""Requests to the GDC: what is tried again, how long is waited, and what is refused at once."""

import threading
import time

import gdc_stand_in
import pytest
from gdc_stand_in import QUICK

import tumorcam
from tumorcam.errors import ConfigError, PreemptedError, ServerError, TransientError
from tumorcam.operations.gdc_server import GdcServer, Patience

QUESTION = {"filters": {"op": "and", "content": []}, "from": 0, "size": 5, "sort": "file_id:asc"}


class Waits(threading.Event):
    """An event that notes the waits and does not wait."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return False


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with gdc_stand_in.running() as server:
        yield server


def fail_twice(code, headers=None):
    def rule(handler, n_before):
        if n_before < 2:
            handler.answer(code, b"busy", headers)
        return n_before < 2

    return rule


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_growing_waits(stand_in, code):
    stand_in.rules.append(fail_twice(code))
    waits = Waits()
    server = GdcServer(stand_in.url, Patience(attempts=3), waits)
    assert server.post("files", QUESTION)["data"]["pagination"]["total"] == 0
    assert len(stand_in.requests) == 3
    first, second = waits.seconds
    assert 0.5 <= first <= 1.5 and 1.0 <= second <= 3.0


def test_it_says_who_it_is_and_asks_for_plain_bytes(stand_in):
    stand_in.client().post("files", QUESTION)
    (headers,) = stand_in.headers
    assert headers["User-Agent"] == f"tumorcam/{tumorcam.__version__}"
    assert headers["Accept-Encoding"] == "identity"


def test_the_wait_that_a_server_asks_for_holds_for_all_requests(stand_in):
    stand_in.rules.append(fail_twice(429, {"Retry-After": "90"}))
    waits = Waits()
    server = GdcServer(stand_in.url, QUICK, waits)
    server.post("files", QUESTION)
    assert [seconds for seconds in waits.seconds if seconds == 90] == [90, 90]
    assert server.patiently(lambda: "asked") == "asked"
    assert 80 < waits.seconds[-1] < 90, "another request waits for the rest of them"


def test_a_wait_of_hours_is_not_waited(stand_in):
    stand_in.rules.append(fail_twice(503, {"Retry-After": "7200"}))
    with pytest.raises(ServerError, match="come back after 7,200 s"):
        stand_in.client().post("files", QUESTION)
    assert len(stand_in.requests) == 1


def test_a_wait_that_cannot_be_understood_is_none(stand_in):
    stand_in.rules.append(fail_twice(503, {"Retry-After": "soon"}))
    assert stand_in.client().post("files", QUESTION)["warnings"] == {}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(stand_in, code):
    stand_in.rules.append(lambda handler, n: handler.answer(code, b"not you") or True)
    with pytest.raises(ServerError, match=f"answered {code} .*not you"):
        stand_in.client().post("files", QUESTION)
    assert len(stand_in.requests) == 1


def test_attempts_are_bounded(stand_in):
    stand_in.rules.append(lambda handler, n: handler.answer(500, b"broken") or True)
    with pytest.raises(ServerError, match=r"500 .*'broken' \(the last of 3 attempts\)"):
        stand_in.client().post("files", QUESTION)
    assert len(stand_in.requests) == 3


def test_nobody_at_the_address_is_one_message():
    with pytest.raises(ServerError, match=r"connection to .*refused.* \(the last of 3 attempts\)"):
        GdcServer("http://127.0.0.1:1", QUICK).post("files", QUESTION)


def test_an_answer_that_breaks_off_is_asked_again(stand_in):
    def rule(handler, n_before):
        if not n_before:
            handler.answer(200, b'{"data": {}}', missing=5)
        return not n_before

    stand_in.rules.append(rule)
    assert "data" in stand_in.client().post("files", QUESTION)
    assert len(stand_in.requests) == 2


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Login</title>", b"", b"[" * 100_000])
def test_what_is_no_json_is_quoted(stand_in, body):
    headers = {"Content-Type": "text/html"}
    stand_in.rules.append(lambda handler, n: handler.answer(200, body, headers) or True)
    with pytest.raises(ServerError, match=r"'text/html' that is no JSON: .*check --server"):
        stand_in.client().post("files", QUESTION)


def test_a_redirect_to_another_server_is_refused(stand_in):
    with gdc_stand_in.running() as other:
        place = {"Location": f"{other.url}/files"}
        stand_in.rules.append(lambda handler, n: handler.answer(307, b"", place) or True)
        with pytest.raises(ServerError, match=r"redirects to .* is another server"):
            stand_in.client().post("files", QUESTION)
        assert other.requests == []


def test_a_redirect_on_the_same_server_is_followed(stand_in):
    def rule(handler, n_before):
        if handler.path == "/files":
            handler.answer(307, b"", {"Location": "/v0/files"})
        return handler.path == "/files"

    stand_in.rules.append(rule)
    assert stand_in.client().post("files", QUESTION)["warnings"] == {}
    assert [path for _, path in stand_in.requests] == ["/files", "/v0/files"]


def test_redirects_in_a_circle_end(stand_in):
    place = {"Location": "/files"}
    stand_in.rules.append(lambda handler, n: handler.answer(307, b"", place) or True)
    with pytest.raises(ServerError, match="redirects"):
        stand_in.client().post("files", QUESTION)


def test_no_password_of_netrc_is_sent(stand_in, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    stand_in.client().post("files", QUESTION)
    assert "Authorization" not in stand_in.headers[0]


def test_a_stop_ends_a_wait_at_once(stand_in):
    stop = threading.Event()
    stand_in.rules.append(lambda handler, n: stop.set() or handler.answer(500, b"") or True)
    start = time.monotonic()
    with pytest.raises(PreemptedError):
        GdcServer(stand_in.url, Patience(first=60), stop).post("files", QUESTION)
    assert time.monotonic() - start < 60 and len(stand_in.requests) == 1


@pytest.mark.parametrize(
    "url", ["", "gdc", "ftp://a.b", "http://", "http://a:b", "https://a/?q=1", "http://me:x@a"]
)
def test_an_address_of_no_server_is_refused(url):
    with pytest.raises(ConfigError, match=r"--server .* is no address of a server"):
        GdcServer(url)


def test_an_action_may_ask_to_be_called_again():
    calls = []

    def action():
        calls.append(1)
        if len(calls) < 3:
            raise TransientError("not yet")
        return "done"

    assert GdcServer("http://127.0.0.1", QUICK).patiently(action) == "done"
    assert len(calls) == 3
