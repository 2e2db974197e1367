"""Training on Accelerate; import the modules below, so that a config can be read without it."""
