"""The images a training learns from: the check of a folder, their order, duplicates, and the nearest one to a sample."""
