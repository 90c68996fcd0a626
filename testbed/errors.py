"""What can go wrong with the testbed, each told in one sentence."""


class PartError(Exception):
    """A part could not be installed, started or used; the message is one sentence for a person."""


class MissingPrerequisiteError(PartError):
    """The machine lacks something; the message names it and the remedy."""


class CancelledError(PartError):
    """Another part failed, or a person asked to stop, so this one was given up."""


class NotInstalledError(PartError):
    """A part is not in the cache folder, or not for its present pins."""

    def __init__(self, what: str, part: str) -> None:
        super().__init__(f"{what} is not installed; run python -m testbed install --only {part}.")
