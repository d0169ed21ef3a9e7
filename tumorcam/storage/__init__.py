"""Files of a run: HDF5 that is complete or absent, the plan, lists of files."""
