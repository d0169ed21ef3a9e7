"""Networks and how they are trained, and the baselines that they are compared with."""
