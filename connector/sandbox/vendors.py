"""Every vendor that the sandbox can be: a line each."""

from collections.abc import Callable, Mapping

from connector.sandbox.flagship import Flagship
from connector.sandbox.mparticle import Mparticle
from connector.sandbox.segment import Segment
from connector.sandbox.suprsend import Suprsend
from connector.sandbox.vendor import Vendor

VENDORS: Mapping[str, Callable[[], Vendor]] = {
    "flagship": Flagship,
    "mparticle": Mparticle,
    "segment": Segment,
    "suprsend": Suprsend,
}
