"""Expression matrices in .h5ad, Parquet, Feather and Arrow files, read in a process apart."""
