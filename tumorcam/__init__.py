"""tumorcam: which genes drive a network's classification of tumors, with an honest error rate."""

import os

# Lustre and NFS often lack locks; HDF5 reads this once, when h5py is first imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__version__ = "0.1.0"
