"""How training can end early."""


class Failure(Exception):
    """Training can't go on; the message says what was found, what was expected and what to do.

    `exit_code` is 2 when a retry with the same input would end the same way (bad parameters, wrong bytes), 3 when
    registry or object store refused it, else 1.
    """

    def __init__(self, message, exit_code=1):
        super().__init__(message)
        self.exit_code = exit_code


class Invalid(Failure):
    """The input is wrong, so that only a change of it helps."""

    def __init__(self, message):
        super().__init__(message, exit_code=2)


class Refused(Failure):
    """Registry or object store have answered, and refused: it isn't there, or this Job's key may not read it.

    Worth a retry, because either may change; but no fault of the network, which says nothing about what was asked for.
    So it has a code of its own: after the last of a Job's retries it is a verdict, and a fault is not.
    """

    def __init__(self, message):
        super().__init__(message, exit_code=3)


class Killed(BaseException):
    """SIGTERM came. Not an Exception, so that nothing on the way up takes it for an error and retries."""
