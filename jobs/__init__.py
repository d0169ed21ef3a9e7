"""The jobs: thin command lines over tumorcam, one a stage. A wheel has them as tumorcam.jobs."""
