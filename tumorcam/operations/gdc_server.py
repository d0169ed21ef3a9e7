"""Requests to a server with the API of the GDC: patient with what passes, clear about the rest."""

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

import tumorcam
from tumorcam.cluster.logs import logger
from tumorcam.errors import ConfigError, PreemptedError, ServerError, TransientError, quoted

PUBLIC_SERVER = "https://api.gdc.cancer.gov"
MAX_PARALLEL = 8  # connections: more would not be polite
MAX_QUOTED_BODY = 300  # characters
PASSING = (408, 429, 500, 502, 503, 504)  # codes of answers that may be another one later

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Patience:
    """How often and how long to try again, in seconds.

    The wait before a new attempt doubles from `first` to `longest`, times a random number from 0.5
    to 1.5. A server may ask for a longer wait by Retry-After, of at most `longest_asked`. Waits
    below `unsaid` are not logged.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0
    longest_asked: float = 600.0
    connect: float = 15.0
    read: float = 60.0
    unsaid: float = 5.0

    def backoff(self, n_failed: int) -> float:
        """Seconds to wait after so many failed attempts, at random."""
        wait = min(self.first * 2.0 ** (n_failed - 1), self.longest)
        return float(wait * random.uniform(0.5, 1.5))


class _Session(requests.Session):
    """A session that sends no credentials and refuses redirects to other servers."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The place that an answer redirects to, if it does; ServerError if it is elsewhere."""
        target = super().get_redirect_target(resp)
        if target is not None:
            old, new = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
            if not _is_same_server(old, new):
                resp.close()
                msg = (
                    f"{resp.url} redirects to {quoted(new.scheme + '://' + new.netloc)}, which is "
                    "another server, and this is not followed; if you trust that server, name it "
                    "with --server"
                )
                raise ServerError(msg)
        return target


def _is_same_server(old: SplitResult, new: SplitResult) -> bool:
    is_upgrade = (old.scheme, new.scheme) == ("http", "https")
    if is_upgrade and (old.port, new.port) == (None, None):
        return old.hostname == new.hostname
    return (old.scheme, old.netloc) == (new.scheme, new.netloc)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request as it is, so that requests does not look for passwords in ~/.netrc."""
    return request


class GdcServer:
    """A server with the API of the GDC; several threads may use it.

    Parameters
    ----------
    url : str
        Its address, such as https://api.gdc.cancer.gov.
    stop : Event or None
        When it is set, every wait ends and no request starts any more.

    Raises
    ------
    ConfigError
        If the address is no http or https URL of a server.
    """

    def __init__(
        self, url: str, patience: Patience | None = None, stop: threading.Event | None = None
    ) -> None:
        self.url = _checked_url(url)
        self.patience = patience or Patience()
        self.stop = stop or threading.Event()
        self._not_before = 0.0  # in time.monotonic(); of all requests, after a Retry-After
        self._session = _Session()
        self._session.auth = _no_credentials
        self._session.headers.update(
            {
                "User-Agent": f"tumorcam/{tumorcam.__version__}",
                "Accept-Encoding": "identity",  # else sizes and ranges are those of packed bytes
            }
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=MAX_PARALLEL))

    def patiently(self, action: Callable[[], Answer]) -> Answer:
        """What an action gives, which is called again after each TransientError.

        Raises
        ------
        ServerError
            If all attempts failed; the message is that of the last one.
        PreemptedError
            If `stop` is set.
        """
        for n_failed in range(1, self.patience.attempts + 1):
            self._wait(self._not_before - time.monotonic())
            try:
                return action()
            except TransientError as error:
                if n_failed == self.patience.attempts:
                    msg = f"{error} (the last of {n_failed} attempts); run the same command later"
                    raise ServerError(msg) from error
                seconds = max(error.seconds, self.patience.backoff(n_failed))
                if seconds >= self.patience.unsaid:
                    logger.info("%s; trying again in %.1f s", error, seconds)
                self._wait(seconds)
        msg = "patience.attempts must be 1 at least"
        raise ValueError(msg)

    def post(self, place: str, question: Mapping[str, Any]) -> Any:
        """The JSON that the server answers to a question, tried again as in `patiently`.

        Raises
        ------
        ServerError
            If there is no answer, or it is not JSON.
        """
        return self.patiently(lambda: self._post_once(place, question))

    def _post_once(self, place: str, question: Mapping[str, Any]) -> Any:
        with self.request("POST", place, json=question) as response:
            text = response.content[:MAX_QUOTED_BODY].decode(errors="replace")
            kind = response.headers.get("Content-Type", "text of no kind")
            try:
                return response.json()
            except (ValueError, RecursionError) as error:
                msg = (
                    f"{response.url} answered with {quoted(kind)} that is no JSON: "
                    f"{quoted(text)}; wanted the JSON of the GDC's API: check "
                    "--server, and whether a proxy or login page stands between"
                )
                raise ServerError(msg) from error

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        place: str,
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        codes: tuple[int, ...] = (200,),
    ) -> Iterator[requests.Response]:
        """The answer to one request, whose body is not read yet; it is closed after the block.

        Parameters
        ----------
        place : str
            The path below the server's address, such as `files`.
        codes : tuple of int
            The status codes that the caller can use.

        Raises
        ------
        TransientError
            If the connection fails, also while the block reads, or the server is busy.
        ServerError
            If the server refuses for another reason.
        """
        url = f"{self.url}/{place}"
        timeout = (self.patience.connect, self.patience.read)
        try:
            with self._session.request(
                method, url, json=json, headers=headers, stream=True, timeout=timeout
            ) as response:
                if response.status_code not in codes:
                    raise self._refusal(response)
                yield response
        except requests.exceptions.SSLError as error:
            if not _is_certificate(error):
                raise TransientError(f"{url}: {_plain(error)}") from error
            msg = (
                f"the certificate of {url} is not accepted ({_plain(error)}); if a proxy of your "
                "site signs with its own, set REQUESTS_CA_BUNDLE to the site's certificates"
            )
            raise ServerError(msg) from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            raise TransientError(f"the connection to {url} failed ({_plain(error)})") from error
        except requests.RequestException as error:
            raise ServerError(f"{url} cannot be asked ({_plain(error)}); check --server") from error

    def _refusal(self, response: requests.Response) -> ServerError:
        """The error for a status code that is of no use, with the beginning of the body."""
        body = next(response.iter_content(MAX_QUOTED_BODY), b"").decode(errors="replace")
        msg = f"{response.url} answered {response.status_code} {response.reason}: {quoted(body)}"
        if response.status_code not in PASSING:
            return ServerError(msg)
        seconds = _retry_after(response)
        if seconds > self.patience.longest_asked:
            return ServerError(f"{msg}; it asks to come back after {seconds:,.0f} s: do so")
        if seconds:
            self._not_before = max(self._not_before, time.monotonic() + seconds)
        return TransientError(msg, seconds)

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise PreemptedError("stopped while a server was asked")


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        is_good = False
    if not is_good or parts.query or parts.fragment or parts.username:
        msg = (
            f"--server {quoted(url)} is no address of a server; wanted one such as {PUBLIC_SERVER}"
        )
        raise ConfigError(msg)
    return url.rstrip("/")


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait; 0 if it does not, or not in the way of the protocol."""
    try:
        return float(Retry().parse_retry_after(response.headers.get("Retry-After", "0")))
    except (InvalidHeader, OverflowError):
        return 0.0


def _is_certificate(error: BaseException) -> bool:
    """Whether a TLS error is that of a certificate, which does not pass."""
    chain: list[Any] = [error]
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return True
        inner = [*getattr(link, "args", ()), getattr(link, "reason", None), link.__cause__]
        chain += [x for x in inner if isinstance(x, BaseException) and x not in chain]
    return False


def _plain(error: BaseException) -> str:
    """The inner reason of a failed request, in a line."""
    reason = error
    for _ in range(5):  # requests wraps urllib3, which wraps what happened
        inner = getattr(reason, "reason", None) or next(iter(reason.args), None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = next((text for text in reason.args if isinstance(text, str)), str(reason))
    return quoted(" ".join(text.split()))[1:-1]
