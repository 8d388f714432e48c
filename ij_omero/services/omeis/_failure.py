"""How a method fails."""

from __future__ import annotations

from ij_omero.errors import IJOmeroError


class MethodFailure(IJOmeroError):
    """A method was called wrongly or could not do its work; its text is the answer's body.

    Parameters
    ----------
    method
        The method.
    message
        What was wrong.
    which
        ``PixelsID=1`` or the like, where the call named one.
    why
        What lies behind it.
    status
        The HTTP status. The original's was always 500.
    """

    def __init__(
        self, method: str, message: str, which: str | None = None, why: str | None = None, status: int = 400
    ) -> None:
        calling = f"Error calling {method[:80]}" + (f" with {which}" if which else "")
        super().__init__(f"{calling}: {message}\n" + (f"OMEIS Error: {why}\n" if why else ""))
        self.status = status
