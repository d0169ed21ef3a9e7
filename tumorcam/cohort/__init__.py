"""The cohort of a run: which samples and genes, their folds, and where genes stand on the image."""
