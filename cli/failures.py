"""How a command ends early: with an error that is printed, or with an exit code."""


class Failure(Exception):
    """A command that cannot go on: told as `error: ...`."""


class Exit(Exception):
    """A command ends with an exit code, and these words; empty: it has said what there was to say."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(code)
        self.code, self.words = code, words
