"""What Slurm, MPI and the operating system give a process, and how it logs and stops."""
