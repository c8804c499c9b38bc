"""What happens in one step of a training: the objective and its weights, gradients, the optimizer and the moving average."""
