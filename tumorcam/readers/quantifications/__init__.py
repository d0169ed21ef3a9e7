"""Inputs of many files: lists and folders, a file a sample, GDC downloads, and joined matrices."""
