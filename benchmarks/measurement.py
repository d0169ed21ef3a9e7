"""Contenders that take turns, and what is kept of their rates."""

import contextlib
import dataclasses
import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

OURS, BOUND, PEER = "ours", "bound", "peer"
Team = Callable[[], list["Rate"]]  # the rates of a round of contenders that share a process


class Rate(NamedTuple):
    """Units of `work` a second that a contender did in one round.

    `kind` is OURS, BOUND for what the machine can do at most, or PEER for another library.
    """

    work: str
    contender: str
    kind: str
    unit: str
    rate: float


@dataclass(frozen=True)
class Measurement:
    """The rates of a contender in all rounds, and how they compare with tumorcam's.

    `ratio` is the median of tumorcam's rate over the contender's in the same round.
    """

    stage: str
    work: str
    contender: str
    kind: str
    unit: str
    rates: list[float]
    median: float
    low: float
    high: float
    ratio: float


def measure(stage: str, teams: Sequence[Team], n_rounds: int) -> list[Measurement]:
    """The measurements of a stage; the teams take turns in each round."""
    rounds = [[rate for team in teams for rate in team()] for _ in range(n_rounds)]
    by_contender = list(zip(*rounds, strict=True))
    ours = {}
    for rates in reversed(by_contender):  # the first of several counts
        if rates[0].kind == OURS:
            ours[rates[0].work] = [rate.rate for rate in rates]
    return [_measurement(stage, rates, ours[rates[0].work]) for rates in by_contender]


def _measurement(stage: str, rates: Sequence[Rate], ours: Sequence[float]) -> Measurement:
    values = [rate.rate for rate in rates]
    return Measurement(
        stage=stage,
        **{name: getattr(rates[0], name) for name in ("work", "contender", "kind", "unit")},
        rates=values,
        median=statistics.median(values),
        low=min(values),
        high=max(values),
        ratio=statistics.median(own / value for own, value in zip(ours, values, strict=True)),
    )


def as_table(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """The measurements for JSON."""
    return [dataclasses.asdict(measurement) for measurement in measurements]


def spawn(make_team: Callable[..., Team], *arguments: Any, **variables: str) -> Team:
    """A team that is made and asked in a process of its own, with these variables set."""
    os.environ.update(variables)
    parent, child = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=_serve, args=(child, make_team, arguments), daemon=True).start()

    def team() -> list[Rate]:
        parent.send(True)
        rates: list[Rate] = parent.recv()
        return rates

    return team


def end_processes() -> None:
    """End the processes of all teams."""
    for process in multiprocessing.active_children():
        process.terminate()
        process.join()


def _serve(parent: Connection, make_team: Callable[..., Team], arguments: Sequence[Any]) -> None:
    team = make_team(*arguments)
    with contextlib.suppress(EOFError):  # nobody asks any more
        while parent.recv():
            parent.send(team())
