"""Kill every process of a running demo, and compare what is stored at the end with an undisturbed run."""
