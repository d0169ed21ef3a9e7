"""Genes of other people's matrices: their IDs, and rows that are no genes."""
