"""Saliency of held-out samples, written as shards."""
