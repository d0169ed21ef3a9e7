"""A finished run meets new samples: their genes, their calls, and how far to trust these."""
