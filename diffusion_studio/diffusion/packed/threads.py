"""Threads that compute with a number of the processor's threads of their own, while all others keep theirs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

STACK = 16 << 20  # bytes; some systems give a second thread too little for a deep network


def settled_workers(count: int, threads: int, name: str) -> ThreadPoolExecutor:
    """`count` threads, all of them started, each of which computes with `threads` threads of the processor."""
    ours, ready = torch.get_num_threads(), threading.Barrier(count + 1)
    pool = ThreadPoolExecutor(count, name, initializer=_settle, initargs=(threads,))
    usual = threading.stack_size(STACK)
    try:
        for _ in range(count):
            pool.submit(ready.wait)
    finally:
        threading.stack_size(usual)
    ready.wait()
    torch.set_num_threads(ours)  # setting it in a worker also sets what every new thread would start with
    return pool


def _settle(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.get_num_threads()  # a thread's first question fixes its answer; later, it would take the number of the others
