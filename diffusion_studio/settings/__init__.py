"""What can be chosen, as frozen data: one line an option, one check for window, command line and metadata."""
