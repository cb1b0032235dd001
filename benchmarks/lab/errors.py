"""The lab's one error."""


class LabError(Exception):
    """The lab cannot do what was asked; the message is one line that says what is wrong and what to do."""
