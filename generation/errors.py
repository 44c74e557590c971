"""What can go wrong while making sound, said so that a person knows what to do next.

The text of every `GenerationError` is one friendly sentence that may be shown in chat as it
stands: it names no path of the host, no exception class and no secret.
"""


class GenerationError(Exception):
    """Base of everything that generation refuses or fails at; `str(error)` is for people."""


class BadRequestError(GenerationError):
    """The request itself cannot be carried out: change it and ask again."""


class CheckpointError(GenerationError):
    """The checkpoint cannot be used; the sentence says which part is missing or damaged."""


class MediaError(GenerationError):
    """A picture or a sound could not be read or written."""


class RiffCancelledError(GenerationError):
    """The job was cancelled while it was being drawn."""


class TooLargeError(GenerationError):
    """The job does not fit into memory, even alone and in a fresh process."""
