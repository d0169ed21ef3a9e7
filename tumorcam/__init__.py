"""tumorcam: which genes drive a network's classification of tumors, with an honest error rate."""

import importlib
import os
from typing import TYPE_CHECKING, Any

# Lustre and NFS often lack locks; HDF5 reads this once, when h5py is first imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")

if TYPE_CHECKING:  # what editors and type checkers read; running code imports on demand, below
    from tumorcam.report.tables import gene_significance
    from tumorcam.saliency import (
        grad_cam,
        gradient,
        gradient_x_input,
        guided_backprop,
        guided_grad_cam,
        guided_grad_cam_shared,
        guided_gradient,
        integrated_gradients,
        smooth_grad,
    )

__version__ = "0.2.0.dev0"

__all__ = [
    "__version__",
    "gene_significance",
    "grad_cam",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "guided_grad_cam",
    "guided_grad_cam_shared",
    "guided_gradient",
    "integrated_gradients",
    "smooth_grad",
]

LIBRARY = {  # functions of the library and their modules, imported when first asked for (PEP 562)
    name: "tumorcam.report.tables" if name == "gene_significance" else "tumorcam.saliency"
    for name in __all__
    if name != "__version__"
}


def __getattr__(name: str) -> Any:
    """A function of the library, imported when it is first asked for."""
    if name not in LIBRARY:
        msg = f"module 'tumorcam' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(LIBRARY[name]), name)


def __dir__() -> list[str]:
    """The functions of the library and the subpackages that are imported already."""
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING", "importlib", "os"})
