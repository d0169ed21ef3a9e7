"""Expression matrices in binary files: .h5ad, Parquet, Feather and Arrow, read in a process apart."""
