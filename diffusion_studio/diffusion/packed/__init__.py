"""The fast path of a processor: the network with its weights prepacked for oneDNN."""
