"""Training with PyTorch Lightning; import the modules below, so that a config can be read without Lightning."""
