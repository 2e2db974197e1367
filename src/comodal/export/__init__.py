"""A trained model as files that others can use: weights, configuration, statistics, a card, ONNX."""
