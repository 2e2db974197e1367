"""Pointwise dependency of each sample, predictions without each modality, and attributions."""
