"""The state of a run and of a site: audits, submissions to Slurm, preflight checks."""
