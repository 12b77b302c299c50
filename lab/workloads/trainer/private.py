"""Keep the environment, which has credentials, from the models that are loaded: they may run anybody's code."""

import ctypes
import os

from failure import Failure

PR_SET_DUMPABLE = 4


def hide():
    """Keep other processes of this user from reading our environment in /proc; they are to be started without it."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise Failure(f"hide the environment: {os.strerror(ctypes.get_errno())}")
