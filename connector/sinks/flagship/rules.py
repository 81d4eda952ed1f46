"""Where decisions of the official SDKs part from each other and from what is sound. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

Scalar = str | bool | int | float

# fmt: off
_PRESETS_2_1 = (
    "fs_all_users", "fs_users", "sdk_deviceLanguage", "sdk_deviceType", "sdk_deviceModel", "sdk_city", "sdk_region",
    "sdk_country", "sdk_lat", "sdk_long", "sdk_ip", "sdk_osName", "sdk_osVersion", "sdk_apiLevel",
    "sdk_pythonVersion", "sdk_carrierName", "sdk_devMode", "sdk_firstTimeInit", "sdk_internetConnection",
    "sdk_versionName", "sdk_versionCode", "sdk_fsVersion", "sdk_interfaceName",
)
# fmt: on


class Rules(Struct, frozen=True):
    """One way to decide.

    `presets`          keys every visitor has before the caller's own.
    `utf8`             ids are hashed over real UTF-8; else characters beyond U+FFFF over the three bytes of the SDKs.
    `first_match`      the first variation group that matches decides, also where it has nothing for the visitor.
    `empty_matches`    a targeting group without a rule matches everyone.
    `users_by_id`      `fs_users` stands for the visitor id.
    `all_users`        `fs_all_users` EQUALS anything is true for everyone.
    `json_text_fails`  a text target that could be read as JSON never matches, negated or not.
    `list_elements`    STARTS_WITH, ENDS_WITH and the order operators look at the elements of a list.
    `whole_history`    assignments are kept by variation group and for ever, in the form of 3.0; else as a flat list of
    variations that is made anew each time, in the form of 2.1.
    """

    presets: Mapping[str, Scalar]
    utf8: bool = False
    first_match: bool = False
    empty_matches: bool = True
    users_by_id: bool = False
    all_users: bool = False
    json_text_fails: bool = False
    list_elements: bool = False
    whole_history: bool = False


PYTHON_2_1 = Rules(MappingProxyType(dict.fromkeys(_PRESETS_2_1, "")))
"""What Python SDK 2.1.5 does. Source: sheet sections 3, 7 to 10."""

PYTHON_3_0 = Rules(
    MappingProxyType({"fs_client": "python", "fs_version": "3.0.1"}),
    all_users=True,
    json_text_fails=True,
    list_elements=True,
    whole_history=True,
)
"""What Python SDK 3.0.1 does. Source: sheet sections 3, 7 to 10."""

SOUND = Rules(
    PYTHON_2_1.presets, utf8=True, first_match=True, empty_matches=False, users_by_id=True, whole_history=True
)
"""2.1.5 with its defects mended, and the history of 3.0 so that no assignment is ever forgotten.

Source: sheet section 20, numbers 1 (`users_by_id`), 2 (`utf8`), 3 (`first_match`), 20 (`empty_matches`). Number 4 is
3.0's alone, and so is number 5: a variation that does not say so is no reference.
"""

RULES: Mapping[str, Rules] = MappingProxyType({"sound": SOUND, "python-2.1": PYTHON_2_1, "python-3.0": PYTHON_3_0})
