"""Whether a ranking is right: deletion of genes, retraining, agreement, known markers."""
