"""This computer: devices, memory, displays and the libraries it has to load."""
