"""Wait, within bounds and saying for what, until something that isn't ready yet is."""

import logging
import time

log = logging.getLogger("trainer")


class NotReady(Exception):
    """Worth another try; the message says what answered what."""


def until_ready(what, action, seconds, sleep=time.sleep, clock=time.monotonic):
    """Return action()'s result; while it raises NotReady, try again with growing pauses for up to `seconds`.

    When the time is up, raise the last NotReady with what was waited for.
    """
    begun = clock()
    pause = 0.5
    while True:
        try:
            return action()
        except NotReady as err:
            waited = clock() - begun
            if waited + pause > seconds:
                raise NotReady(f"{what} was not ready within {seconds:g} s: {err}") from err
            log.info("waiting for %s: %s; next try in %.1f s", what, err, pause)
            sleep(pause)
            pause = min(pause * 1.6, 10.0)
