"""The groups of features: one module each, each with its FEATURES."""
