"""Text tables of any dialect: unpacking, delimiters, header rows, and expression matrices."""
