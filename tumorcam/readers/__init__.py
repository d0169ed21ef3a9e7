"""Readers of the user's files: expression matrices, samples tables, annotation and marker genes."""
