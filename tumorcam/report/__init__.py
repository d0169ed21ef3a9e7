"""The report: tables, figures and one web page from the files of a finished run."""
