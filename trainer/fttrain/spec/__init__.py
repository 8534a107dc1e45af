"""The contract between those who ask for training and the engine that does it. Torch-free."""
