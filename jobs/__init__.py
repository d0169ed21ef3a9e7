"""The jobs: thin command lines over tumorcam, one a stage."""
