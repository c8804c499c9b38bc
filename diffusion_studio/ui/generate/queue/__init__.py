"""Requests that wait their turn: run one after the other, and shown in a list."""
