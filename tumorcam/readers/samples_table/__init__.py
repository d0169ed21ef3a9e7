"""Who each sample is: its ID in any spelling, its patient, sample type and tumor type."""
