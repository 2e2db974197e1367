"""Prediction, scores with intervals, paired comparison over seeds, and grids of runs."""
