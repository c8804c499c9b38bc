"""Keep the computer from going to sleep during long work. Displays may still turn off."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

log = logging.getLogger(__name__)


@contextmanager
def keep_awake(reason: str) -> Iterator[None]:
    """No sleep by itself until the block ends, however it ends.

    Where the platform has no service for it (a server without a desktop session), or the service fails, nothing happens but a
    line in the log. Enter and leave it in one thread.
    """
    with ExitStack() as held:
        try:
            from wakepy import keep  # here: it loads D-Bus, which only long work needs

            mode = held.enter_context(keep.running(on_fail="pass"))
            log.info(
                "%s: sleep is prevented by %s", reason, mode.active_method or "nothing that this system has"
            )
        except Exception:
            log.info("%s: sleep is not prevented", reason, exc_info=True)
        try:
            yield
        finally:
            try:
                held.close()
            except Exception:  # the session's bus may be gone by now
                log.info("%s: the request to stay awake could not be withdrawn", reason, exc_info=True)
