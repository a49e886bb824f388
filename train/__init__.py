"""`start_model` -> jobs -> evaluated, immutable, deployed models."""
