"""The texts a picture's file carries, read from its bytes within bounds."""
