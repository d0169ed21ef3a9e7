"""An expression matrix in memory, for tests of code that reads one from a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tumorcam.readers.blocks import Block, Drop


@dataclass
class ArrayExpression:
    """An array whose blocks have so many samples and genes, in the order of either axis.

    `matrix` (samples, genes); `block`: samples and genes of a block at most; `genes_first`: whether
    the blocks of the first genes come first.
    """

    matrix: np.ndarray
    block: tuple[int, int] = (10**6, 10**6)
    genes_first: bool = False
    samples: list[str] = field(default_factory=list)
    genes: list[str] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)
    path: Path = Path("array")

    def __post_init__(self) -> None:
        self.samples = self.samples or [f"s{i}" for i in range(self.matrix.shape[0])]
        self.genes = self.genes or [f"g{i}" for i in range(self.matrix.shape[1])]

    def blocks(self) -> Iterator[Block]:
        samples, genes = (
            [slice(i, min(i + step, n)) for i in range(0, n, step)]
            for n, step in zip(self.matrix.shape, self.block, strict=True)
        )
        parts = [(s, g) for s in samples for g in genes]
        for s, g in sorted(parts, key=lambda part: part[1].start) if self.genes_first else parts:
            yield Block(s, g, self.matrix[s, g])
