"""tumorcam: which genes drive a network's classification of tumors, with an honest error rate."""

import importlib
import os
from typing import Any

# Lustre and NFS often lack locks; HDF5 reads this once, when h5py is first imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")

__version__ = "0.2.0.dev0"

LIBRARY = {  # functions of the library and their modules, imported when first asked for (PEP 562)
    **dict.fromkeys(
        (
            "guided_grad_cam",
            "grad_cam",
            "guided_backprop",
            "gradient",
            "gradient_x_input",
            "integrated_gradients",
            "smooth_grad",
            "guided_gradient",
            "guided_grad_cam_shared",
        ),
        "tumorcam.saliency",
    ),
    "gene_significance": "tumorcam.report.tables",
}


def __getattr__(name: str) -> Any:
    if name not in LIBRARY:
        msg = f"module 'tumorcam' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(LIBRARY[name]), name)
