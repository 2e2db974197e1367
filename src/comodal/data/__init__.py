"""From a file of the field to batches a model can take."""
