"""The feature catalogue and the one function that computes it, in history and live alike."""
