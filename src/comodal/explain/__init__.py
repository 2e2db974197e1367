"""What a critic says of each utterance, what a model needs of each, and what moved each prediction."""
