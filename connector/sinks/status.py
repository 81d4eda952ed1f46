"""What an HTTP status means where the vendor says nothing else. Pure."""

from connector.domain.outcome import Outcome, Retryable, SetupFault, Undetermined

_CONTENT = {400: "bad_request", 413: "too_large", 422: "unprocessable"}
_SETUP = {
    401: "credentials",
    403: "credentials",
    404: "address",
    405: "address",
    407: "proxy",
    501: "protocol",
    505: "protocol",
    511: "network",
}
_TIMING = {408: "timeout", 429: "rate_limited"}


def refusal(status: int) -> Outcome | SetupFault:
    """Read a status outside 2xx.

    A wrong address, proxy or protocol fails every request alike, so it is a set-up fault: that is confirmed by other
    content before it halts anything, and loses no record while it is being put right.
    """
    if status in _SETUP:
        return SetupFault(_SETUP[status], f"status {status}")
    if status in _TIMING:
        return Retryable(_TIMING[status], limited=status == 429)
    if 300 <= status < 400:
        return SetupFault("redirect", f"status {status}")
    if 400 <= status < 500:
        return Undetermined(_CONTENT.get(status, "refused"), by_bytes=status == 413)
    return Retryable("server_error" if 500 <= status < 600 else "unexpected_status")
