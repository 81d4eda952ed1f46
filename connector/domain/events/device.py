"""What an event happened on: device, system, app, network, display. Pure."""

from msgspec import Struct


class Device(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The hardware and the ids it goes by.

    `type` is the vendors' word for the family (ios, android, web); `application_stamp` names one installation.
    """

    id: str | None = None
    name: str | None = None
    type: str | None = None
    token: str | None = None
    brand: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    product: str | None = None
    platform: str | None = None
    country: str | None = None
    build: str | None = None
    cpu_architecture: str | None = None
    radio_access_technology: str | None = None
    application_stamp: str | None = None
    android_uuid: str | None = None
    android_advertising_id: str | None = None
    ios_advertising_id: str | None = None
    ios_idfv: str | None = None
    roku_advertising_id: str | None = None
    roku_publisher_id: str | None = None
    fire_advertising_id: str | None = None
    microsoft_advertising_id: str | None = None
    microsoft_publisher_id: str | None = None
    amp_id: str | None = None
    advertising_id: str | None = None
    ad_tracking_enabled: bool | None = None
    att_status: str | None = None
    att_timestamp_ms: int | None = None
    push_sound_enabled: bool | None = None
    push_vibrate_enabled: bool | None = None
    is_tablet: bool | None = None
    supports_telephony: bool | None = None
    has_nfc: bool | None = None
    bluetooth_enabled: bool | None = None
    bluetooth_version: str | None = None


class OperatingSystem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The system the app ran on."""

    name: str | None = None
    version: str | None = None
    api_level: str | None = None


class App(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The application that made the event; `namespace` is its package or bundle id."""

    name: str | None = None
    version: str | None = None
    version_code: int | None = None
    build: str | None = None
    namespace: str | None = None
    install_referrer: str | None = None


class Network(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the device was connected; `connection` is one word such as wifi or 4g."""

    connection: str | None = None
    carrier: str | None = None
    country: str | None = None
    code: str | None = None
    mobile_country_code: str | None = None
    wifi: bool | None = None
    cellular: bool | None = None
    bluetooth: bool | None = None


class Display(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The screen. Units: pixels; `dpi` dots per inch; `density` device pixels per pixel."""

    width: int | None = None
    height: int | None = None
    dpi: int | None = None
    density: float | None = None


class DeviceState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the device was doing at the time. Units: bytes; `battery_level` 0 to 1."""

    time_since_start_ms: int | None = None
    battery_level: float | None = None
    data_connection_type: str | None = None
    data_connection_type_detail: str | None = None
    gps_state: bool | None = None
    total_system_memory_usage_bytes: int | None = None
    disk_space_free_bytes: int | None = None
    external_disk_space_free_bytes: int | None = None
    cpu: str | None = None
    system_memory_available_bytes: float | None = None
    system_memory_low: bool | None = None
    system_memory_threshold_bytes: float | None = None
    application_memory_available_bytes: float | None = None
    application_memory_max_bytes: float | None = None
    application_memory_total_bytes: float | None = None
    device_orientation: str | None = None
    status_bar_orientation: str | None = None
