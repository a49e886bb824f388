"""Labels, folds, metrics, verdicts, kinds of model, and the immutable bundle that serves them."""
