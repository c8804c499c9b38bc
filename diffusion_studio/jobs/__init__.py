"""The work the window and the command line share: generators of events. Making one runs nothing."""
