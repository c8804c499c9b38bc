"""The command line: one module a verb, over the same jobs as the window."""
