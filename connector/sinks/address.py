"""Base addresses of vendors, as their settings take them. Pure."""

from urllib.parse import urlsplit


def base_address(host: str, *, version: str) -> str:
    """Return the address without a slash at its end; `version` is the first part of the path, which sinks add.

    Raises: ValueError, for what is no address or says more than one.
    """
    parts = urlsplit(host)
    # Reading the port raises ValueError where it is none.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("must be an address such as https://vendor.example")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must hold no query, fragment or credentials")
    base = host.removesuffix("/")
    if base.endswith(f"/{version}"):
        raise ValueError(f"must end before /{version}, which is added")
    return base
