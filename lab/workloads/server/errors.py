"""The server's one error shape."""


class ApiError(Exception):
    """An error that the caller sees: `code` is for programs, `message` says what was expected and what to do."""

    def __init__(self, status, code, message, headers=None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def body(self):
        return {"error": {"code": self.code, "message": self.message}}
