"""The verbs of the command line: each a function that gives a parser its arguments and returns what to do with them."""
