"""The knee: the highest rate at which the waiting time stays within a limit, and what is at its end there."""
