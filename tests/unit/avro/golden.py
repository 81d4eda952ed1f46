"""Golden cases of decoding: what a producer writes by our schemas, and the event it must become."""

from typing import Any

from connector.domain.events import (
    Alias,
    App,
    AppState,
    Attachment,
    Attribution,
    Breadcrumb,
    Campaign,
    Cart,
    Commerce,
    Consent,
    ConsentChange,
    Context,
    Crash,
    DataPlan,
    DeliveryInstruction,
    Device,
    DeviceState,
    Display,
    Event,
    Exposure,
    FirstRun,
    Group,
    Identify,
    Impression,
    Location,
    Media,
    Network,
    NetworkPerformance,
    OperatingSystem,
    Operation,
    OptOut,
    Page,
    Product,
    ProductAction,
    ProfileChange,
    ProfileEdit,
    Promotion,
    PromotionAction,
    PushMessage,
    PushRegistration,
    PushToken,
    Recipient,
    Referrer,
    Screen,
    Session,
    SessionEnd,
    SessionStart,
    Track,
    TrackingLog,
    UserAttributeChange,
    WebPage,
    Workflow,
)

AT = 1_700_000_000_000

CONTEXT: dict[str, Any] = {
    "ip": "203.0.113.7",
    "app": {"name": "Shop", "version": "2.1"},
    "campaign": {"name": "Spring", "source": "mail"},
    "device": {"application_stamp": "0d3f5b1e-98e4-4f0c-a7a7-4f1f6a8a3c55", "att_timestamp": AT},
    "device_state": {"battery_level": 0.5, "time_since_start_ms": 12_000},
    "location": {"latitude": 52.52, "longitude": 13.4},
    "network": {"carrier": "Carrier"},
    "os": {"name": "iOS", "version": "17"},
    "page": {"url": "https://shop.example/p"},
    "plan": {"id": "plan", "version": 3},
    "referrer": {"id": "r"},
    "screen": {"width": 1170, "height": 2532},
    "session": {"id": 12345678, "uuid": "91b86d0c-86cb-4124-a8b2-edee107de454"},
    "extra": {"event_id": 7, "schema_version": 2, "api_key": "k"},
}
WHERE = Context(
    ip="203.0.113.7",
    app=App(name="Shop", version="2.1"),
    campaign=Campaign(name="Spring", source="mail"),
    device=Device(application_stamp="0d3f5b1e-98e4-4f0c-a7a7-4f1f6a8a3c55", att_timestamp_ms=AT),
    device_state=DeviceState(battery_level=0.5, time_since_start_ms=12_000),
    location=Location(latitude=52.52, longitude=13.4),
    network=Network(carrier="Carrier"),
    os=OperatingSystem(name="iOS", version="17"),
    page=WebPage(url="https://shop.example/p"),
    plan=DataPlan(id="plan", version=3),
    referrer=Referrer(id="r"),
    screen=Display(width=1170, height=2532),
    session=Session(id=12345678, uuid="91b86d0c-86cb-4124-a8b2-edee107de454"),
    extra={"event_id": 7, "schema_version": 2, "api_key": "k"},
)

BEHAVIOUR: dict[str, tuple[dict[str, Any], Event]] = {
    "track, with files": (
        {
            "name": "Invoice Sent",
            "user_id": "u1",
            "timestamp": AT,
            "lifetime_value": 42,
            "media": {"action": "play", "position": 31.5},
            "attachments": [
                {"file_name": "invoice.pdf", "data": b"%PDF-1.7\x00\xff"},
                {"url": "https://shop.example/terms.pdf", "ignore_if_error": True},
            ],
            "properties": {"paid": True, "scan": b"\x01"},
        },
        Track(
            name="Invoice Sent",
            user_id="u1",
            timestamp_ms=AT,
            lifetime_value=42,
            media=Media(action="play", position=31.5),
            attachments=(
                Attachment(file_name="invoice.pdf", data=b"%PDF-1.7\x00\xff"),
                Attachment(url="https://shop.example/terms.pdf", ignore_if_error=True),
            ),
            properties={"paid": True, "scan": "AQ=="},
        ),
    ),
    "page": ({"name": "Home", "context": CONTEXT}, Page(name="Home", context=WHERE)),
    "screen": ({"name": "Cart", "activity": "activity_started"}, Screen(name="Cart", activity="activity_started")),
    "tracking log": (
        {
            "name": "problem_check",
            "user_id": "10",
            "log_timestamp": "2025-02-03T04:05:06.789012+00:00",
            "log_data": {"grade": 1},
            "log_context_json": '{"user_id": 10}',
        },
        TrackingLog(
            name="problem_check",
            user_id="10",
            log_timestamp="2025-02-03T04:05:06.789012+00:00",
            log_data={"grade": 1},
            log_context={"user_id": 10},
        ),
    ),
}

PEOPLE: dict[str, tuple[dict[str, Any], Event]] = {
    "identify": (
        {"user_id": "u1", "traits": {"plan": "pro"}, "removed_traits": ["trial"], "consent": {"ads": True}},
        Identify(
            user_id="u1", traits={"plan": "pro"}, removed_traits=("trial",), consent={"ads": Consent(granted=True)}
        ),
    ),
    "group": ({"group_id": "g1", "user_id": "u1"}, Group(group_id="g1", user_id="u1")),
    "alias": ({"previous_id": "anon", "user_id": "u1"}, Alias(previous_id="anon", user_id="u1")),
    "profile edit": (
        {
            "user_id": "u1",
            "context": {"tenant_id": "acme"},
            "operations": [
                {"op": "set", "properties": {"city": "Lyon", "nick": None}},
                {"op": "increment", "properties": {"visits": 1}},
                {"op": "append", "properties_json": '{"tags": ["a", "b"]}'},
                {"op": "unset", "keys": ["trial"]},
                {"op": "add_channel", "channel": "androidpush", "value": "tok", "provider": "fcm", "bundle_id": "app"},
                {"op": "remove_channel", "channel": "slack", "details": {"user_id": "U1", "access_token": "xoxb-1"}},
                {"op": "set_timezone", "value": "Europe/Paris"},
            ],
        },
        ProfileEdit(
            user_id="u1",
            context=Context(tenant_id="acme"),
            operations=(
                Operation(op="set", properties={"city": "Lyon", "nick": None}),
                Operation(op="increment", properties={"visits": 1}),
                Operation(op="append", properties={"tags": ["a", "b"]}),
                Operation(op="unset", keys=("trial",)),
                Operation(op="add_channel", channel="androidpush", value="tok", provider="fcm", bundle_id="app"),
                Operation(op="remove_channel", channel="slack", details={"user_id": "U1", "access_token": "xoxb-1"}),
                Operation(op="set_timezone", value="Europe/Paris"),
            ),
        ),
    ),
    "profile change": (
        {
            "change": "login",
            "name": "new",
            "previous_name": "old",
            "identities": {"mpid": "9007199254740993"},
            "previous_identities": {"mpid": "-3"},
        },
        ProfileChange(
            change="login",
            name="new",
            previous_name="old",
            identities={"mpid": "9007199254740993"},
            previous_identities={"mpid": "-3"},
        ),
    ),
    "user attribute change": (
        {"name": "tier", "new": ["gold", "early"], "old": "silver", "deleted": False, "is_new": False},
        UserAttributeChange(name="tier", new=["gold", "early"], old="silver", deleted=False, is_new=False),
    ),
    "consent change": (
        {
            "granted": False,
            "consent": {
                "marketing": {"granted": True, "regulation": "gdpr", "document": "v3", "timestamp": AT},
                "data_sale_opt_out": {"granted": True, "regulation": "ccpa", "hardware_id": "h", "location": "here"},
            },
        },
        ConsentChange(
            granted=False,
            consent={
                "marketing": Consent(granted=True, regulation="gdpr", document="v3", timestamp_ms=AT),
                "data_sale_opt_out": Consent(granted=True, regulation="ccpa", hardware_id="h", location="here"),
            },
        ),
    ),
    "opt out": ({"opted_out": True}, OptOut(opted_out=True)),
}

SHOE: dict[str, Any] = {
    "id": "sku-7",
    "name": "Trail Shoe",
    "position": 3,
    "price": 89.5,
    "quantity": 2,
    "total": 179.0,
    "added_to_cart": 1_699_999_995_000,
    "attributes": {"material": "mesh"},
}
SHOES = Product(
    id="sku-7",
    name="Trail Shoe",
    position=3,
    price=89.5,
    quantity=2,
    total=179.0,
    added_to_cart_ms=1_699_999_995_000,
    attributes={"material": "mesh"},
)
COMMERCE: dict[str, tuple[dict[str, Any], Event]] = {
    "purchase": (
        {
            "currency": "EUR",
            "screen_name": "Checkout",
            "non_interactive": False,
            "product_action": {"action": "purchase", "order_id": "T-100", "total": 190.25, "products": [SHOE]},
            "flags": {"x": "y"},
        },
        Commerce(
            currency="EUR",
            screen_name="Checkout",
            non_interactive=False,
            product_action=ProductAction(action="purchase", order_id="T-100", total=190.25, products=(SHOES,)),
            flags={"x": "y"},
        ),
    ),
    "promotions": (
        {
            "promotion_action": {
                "action": "click",
                "promotions": [{"id": "p1", "name": "Summer", "creative": "banner-a", "position": "top"}],
            }
        },
        Commerce(
            promotion_action=PromotionAction(
                action="click",
                promotions=(Promotion(id="p1", name="Summer", creative="banner-a", position="top"),),
            )
        ),
    ),
    "impressions": (
        {
            "impressions": [{"list_name": "Suggested", "products": [SHOE]}, {"list_name": "Recent"}],
            "cart": {"products": [SHOE]},
        },
        Commerce(
            impressions=(Impression(list_name="Suggested", products=(SHOES,)), Impression(list_name="Recent")),
            cart=Cart(products=(SHOES,)),
        ),
    ),
    "exposure by flag": (
        {"flag": "button", "context": {"traits": {"vip": True}}},
        Exposure(flag="button", context=Context(traits={"vip": True})),
    ),
    "exposure by ids": (
        {"variation_group_id": "bvg1", "variation_id": "bva2", "experiment_name": "Button"},
        Exposure(variation_group_id="bvg1", variation_id="bva2", experiment_name="Button"),
    ),
}

APPS: dict[str, tuple[dict[str, Any], Event]] = {
    "session start": (
        {"timestamp": AT, "context": {"session": {"id": 12345678}}},
        SessionStart(timestamp_ms=AT, context=Context(session=Session(id=12345678))),
    ),
    "session end": (
        {"duration_ms": 9_000, "properties": {"k": "v"}},
        SessionEnd(duration_ms=9_000, properties={"k": "v"}),
    ),
    "first run": ({"properties": {"k": 1}}, FirstRun(properties={"k": 1})),
    "app state": (
        {
            "transition": "application_exit",
            "closed_cleanly": True,
            "first_run": False,
            "upgrade": False,
            "push_payload": '{"a":1}',
            "previous_version": "2.0",
        },
        AppState(
            transition="application_exit",
            closed_cleanly=True,
            first_run=False,
            upgrade=False,
            push_payload='{"a":1}',
            previous_version="2.0",
        ),
    ),
    "attribution": (
        {"publisher": "AdNet", "campaign": "Summer"},
        Attribution(publisher="AdNet", campaign="Summer"),
    ),
    "attribution removed": ({"removed": True}, Attribution(removed=True)),
    "push registration": (
        {"token": "tok-1", "register": False, "platform": "android", "provider": "fcm"},
        PushRegistration(token="tok-1", register=False, platform="android", provider="fcm"),
    ),
    "push message": (
        {"step": "action", "token": "tok-1", "payload": '{"aps":{}}', "app_state": "foreground", "action_id": "open"},
        PushMessage(step="action", token="tok-1", payload='{"aps":{}}', app_state="foreground", action_id="open"),
    ),
    "network performance": (
        {"url": "https://api.example/x?y=1", "verb": "GET", "elapsed_ms": 450, "status": 200, "payload": "aGk="},
        NetworkPerformance(url="https://api.example/x?y=1", verb="GET", elapsed_ms=450, status=200, payload="aGk="),
    ),
    "breadcrumb": ({"label": "opened cart", "session_number": 45}, Breadcrumb(label="opened cart", session_number=45)),
    "crash": (
        {
            "class_name": "NullPointerException",
            "severity": "fatal",
            "message": "boom",
            "handled": False,
            # 2**64 - 1, which no number of Avro's holds.
            "image_base_address": "18446744073709551615",
            "image_size": 4_096,
            "breadcrumbs": [{"label": "opened cart", "timestamp": AT}],
        },
        Crash(
            class_name="NullPointerException",
            severity="fatal",
            message="boom",
            handled=False,
            image_base_address=2**64 - 1,
            image_size=4_096,
            breadcrumbs=(Breadcrumb(label="opened cart", timestamp_ms=AT),),
        ),
    ),
}

MESSAGES: dict[str, tuple[dict[str, Any], Event]] = {
    "workflow by slug": (
        {
            "slug": "order-shipped",
            "recipients": [
                "u1",
                {
                    "user_id": "u2",
                    "channels": ["email", "androidpush"],
                    "email": ["u2@example.org"],
                    "androidpush": ["tok", {"token": "tok-2", "provider": "fcm", "device_id": "d"}],
                    "slack": [{"user_id": "U1", "access_token": "xoxb-1"}],
                    "properties": {"name": "Zoe", "nick": None},
                },
            ],
            "actor": "u9",
            "cancellation_key": "c1",
            "data": {"order": {"id": "T-100"}},
            "metadata": {"source": "shop"},
        },
        Workflow(
            slug="order-shipped",
            recipients=(
                "u1",
                Recipient(
                    user_id="u2",
                    channels=("email", "androidpush"),
                    email=("u2@example.org",),
                    androidpush=("tok", PushToken(token="tok-2", provider="fcm", device_id="d")),
                    slack=({"user_id": "U1", "access_token": "xoxb-1"},),
                    properties={"name": "Zoe", "nick": None},
                ),
            ),
            actor="u9",
            cancellation_key="c1",
            data={"order": {"id": "T-100"}},
            metadata={"source": "shop"},
        ),
    ),
    "workflow described": (
        {
            "name": "Nudge",
            "template": "nudge",
            "category": "promotional",
            "recipients": [{"user_id": "u1", "is_transient": True}],
            "actor": {"user_id": "u9"},
            "delivery": {"smart": True, "success": "seen", "time_to_live": "1h", "mandatory_channels": []},
            "delay": 3_600,
            "trigger_at": "2025-02-03T04:05:06Z",
            "idempotency_key": "k1",
            "attachments": [{"url": "https://shop.example/terms.pdf"}],
            "extra": {"priority": "high"},
        },
        Workflow(
            name="Nudge",
            template="nudge",
            category="promotional",
            recipients=(Recipient(user_id="u1", is_transient=True),),
            actor=Recipient(user_id="u9"),
            delivery=DeliveryInstruction(smart=True, success="seen", time_to_live="1h", mandatory_channels=()),
            delay=3_600,
            trigger_at="2025-02-03T04:05:06Z",
            idempotency_key="k1",
            attachments=(Attachment(url="https://shop.example/terms.pdf"),),
            extra={"priority": "high"},
        ),
    ),
    "workflow after a time in words": ({"slug": "s", "delay": "1d2h"}, Workflow(slug="s", delay="1d2h")),
}

GOLDEN = {**BEHAVIOUR, **PEOPLE, **COMMERCE, **APPS, **MESSAGES}
