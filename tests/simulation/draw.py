"""What one run is like, drawn from its seed. Pure.

What came later is drawn by a chance of its own, so that it changes nothing else of a seed.
"""

import random
from collections.abc import Mapping
from typing import get_args

from msgspec.structs import replace

from connector.domain.record import Partition
from connector.pipeline.options import Options, RouteOptions
from connector.pipeline.start import Earliest, Latest
from connector.sinks.contract import Endpoint, Limits
from tests.simulation.scenario import (
    POISON,
    SKIPPED,
    UNSENT,
    Deed,
    DeedKind,
    FaultKind,
    Fresh,
    Informed,
    Scenario,
    Theme,
    Vendor,
    Window,
    WindowKind,
    needs_company,
)
from tests.simulation.sink import ITEM_BYTES, Shape, make_endpoints

THEMES: tuple[Theme, ...] = ("calm", "vendor", "letters", "crashes", "storm", "topics", "ageing", "everything")

WINDOWS: Mapping[Theme, tuple[WindowKind, ...]] = {
    "calm": (),
    "vendor": ("down", "refusing", "hanging", "limited", "unauthorised", "slow"),
    "letters": ("letters", "registry", "unauthorised", "commits"),
    "crashes": ("commits", "down", "slow", "coordinator"),
    "storm": ("commits", "slow", "hanging", "limited", "coordinator"),
    "topics": ("commits", "down", "slow"),
    "ageing": ("down", "refusing"),
    "everything": get_args(FaultKind),
}
DEEDS: Mapping[Theme, tuple[DeedKind, ...]] = {
    "calm": ("stop", "leave"),
    "vendor": ("stop",),
    "letters": ("kill", "stop"),
    "crashes": ("kill",),
    "storm": ("stop", "leave", "freeze", "evict", "kill"),
    "topics": ("commit", "abort", "retention", "retention", "grow", "remake", "stop", "kill"),
    "ageing": ("stop",),
    "everything": ("kill", "stop", "leave", "freeze", "evict", "clock", "commit", "abort", "retention", "grow"),
}

RARE = ("late_schema", "known_late", *SKIPPED, *UNSENT, *POISON)


def draw(seed: int) -> Scenario:
    """Draw the scenario of a seed."""
    chance = random.Random(f"{seed}/scenario")
    theme = chance.choice(THEMES)
    shape: Shape = chance.choice(("plain", "items", "two", "merged"))
    quiet_s = chance.uniform(30, 60) if theme == "ageing" else chance.uniform(5, 45)
    replicas = chance.choice((1, 2, 2, 3))
    kinds = _kinds(theme, chance)
    topics = [f"t{n}" for n in range(chance.choice((1, 1, 2)))]
    partitions = tuple(Partition(topic, n) for topic in topics for n in range(chance.randint(1, 4)))
    options, session_s = _options(theme, kinds, chance), chance.uniform(4, 10)
    endpoints, groups = _endpoints(theme, shape, chance), _groups(seed)
    fresh, informed = _fresh(seed), _informed(theme, seed)
    scenario = Scenario(
        seed=seed,
        theme=theme,
        shape=shape,
        endpoints=endpoints,
        groups=groups,
        replay_safe=chance.random() < 0.7,
        options=options,
        partitions=partitions,
        replicas=replicas,
        records=chance.randint(150, 300) if theme == "ageing" else chance.randint(40, 200),
        keys=chance.choice((10, 50) if needs_company(kinds) else (1, 3, 10, 50)),
        kinds=kinds,
        produce_s=quiet_s if theme == "ageing" else chance.uniform(0, quiet_s),
        quiet_s=quiet_s,
        windows=(
            *_narrowed(_windows(theme, quiet_s, chance), tuple(endpoints), groups, seed),
            *_asked_windows(theme, fresh, informed, quiet_s, seed),
        ),
        deeds=_with_swap(_deeds(theme, quiet_s, options.drain_s + session_s, replicas, chance), theme, quiet_s, seed),
        vendor=_vendor(theme, chance),
        fresh=fresh,
        informed=informed,
        session_s=session_s,
        eager=chance.random() < 0.25,
        start_from=Latest() if chance.random() < 0.2 else Earliest(),
        on_out_of_range=chance.choice(("halt", "halt", "earliest", "latest")),
        commit_every_s=chance.choice((0.2, 1.0, 5.0)),
        largest_gap=chance.choice((1, 1, 3, 20)),
        largest_poll=chance.choice((1, 5, 20, 100)),
    )
    return _crowded(scenario)


def _kinds(theme: Theme, chance: random.Random) -> dict[str, float]:
    """Weights of the kinds of records; bad ones stay below what trips the guard."""
    kinds = {"good": 100.0}
    if theme == "calm":
        return kinds | dict.fromkeys(SKIPPED, 3.0)
    if theme == "ageing":
        return kinds
    few = 6 if theme in ("letters", "everything") else 2
    for kind in chance.sample(RARE, few):
        kinds[kind] = chance.uniform(0.5, 3.0)
    if "stubborn" in kinds:
        kinds["stubborn"] = 0.5
    return kinds


def _options(theme: Theme, kinds: Mapping[str, float], chance: random.Random) -> Options:
    # What is wrong with these shows only beside healthy traffic of other keys, which must not be held up by the span.
    roomy = needs_company(kinds)
    return Options(
        letters_topic="dead.simulated",
        lanes=chance.randint(1, 8),
        budget_bytes=8 << 20,
        max_ahead=100_000 if roomy else chance.choice((10, 30, 100, 100_000)),
        max_age_s=_max_age_s(theme, chance),
        drain_s=60.0 if theme == "calm" else chance.choice((0.5, 3.0, 10.0)),
        park_s=chance.choice((5.0, 20.0, 60.0)),
        ambiguous="dead_letter" if theme != "calm" and chance.random() < 0.15 else "resend",
        order_by=chance.choice(("key", "user", "none") if roomy else ("key", "key", "user", "partition", "none")),
        schema_grace_s=chance.uniform(1, 10),
        retry_first_s=chance.choice((0.1, 0.5, 1.0)),
        retry_longest_s=chance.choice((2.0, 10.0, 60.0)),
        route=RouteOptions(deny=("denied",)),
    )


def _max_age_s(theme: Theme, chance: random.Random) -> float | None:
    if theme == "ageing":
        return chance.uniform(3, 10)
    return chance.uniform(5, 60) if theme == "everything" and chance.random() < 0.2 else None


def _endpoints(theme: Theme, shape: Shape, chance: random.Random) -> dict[str, Endpoint]:
    merged = shape == "merged"
    limits = Limits(
        items=chance.choice((1, 3, 10, 50)),
        request_bytes=chance.choice((4_000, 50_000)),
        item_bytes=ITEM_BYTES,
        linger_s=chance.choice((0.0, 0.2, 1.0)),
        members=5 if merged else 1,
        item_overhead=30 if merged else 1,
        member_overhead=1 if merged else 0,
    )
    timeout_s = 15.0 if theme == "calm" else chance.choice((2.0, 5.0, 15.0))
    rate = chance.choice((None, None, 20.0))
    return make_endpoints(shape, limits, timeout_s, one_quota=chance.random() < 0.5, rate=rate)


def _vendor(theme: Theme, chance: random.Random) -> Vendor:
    slow = 0.3 if theme == "calm" else chance.choice((0.05, 0.3, 1.0, 3.0))
    mix = {"ok": 100.0}
    if theme in ("vendor", "everything", "storm", "crashes") and chance.random() < 0.8:
        faults = ("429", "429_after", "500", "503_after", "not_sent", "taken_silent", "lost_silent", "taken_reset",
                  "lost_reset", "garbage_taken", "garbage_lost")  # fmt: skip
        for fault in chance.sample(faults, chance.randint(1, 5)):
            mix[fault] = chance.choice((1.0, 5.0, 20.0))
    most_bytes = chance.choice((2_000, 10_000)) if theme in ("letters", "everything") else 1 << 20
    quota = chance.choice((None, None, 10.0, 40.0)) if theme in ("vendor", "storm", "everything") else None
    later = 0.0 if theme == "calm" else chance.choice((0.0, 0.1))
    return Vendor(mix, (0.01, slow), theme != "calm" and chance.random() < 0.3, most_bytes, later, quota)


def _crowded(one: Scenario) -> Scenario:
    """Have users whose items keep failing in one run of six where that may be, so that what is parked crowds."""
    chance = random.Random(f"{one.seed}/crowded")
    if one.shape not in ("items", "two") or one.theme in ("calm", "ageing") or needs_company(one.kinds):
        return one
    if chance.random() > 1 / 6:
        return one
    options = replace(one.options, max_ahead=60, retry_first_s=0.1, lanes=min(2, one.options.lanes))
    vendor = replace(one.vendor, sulky=0.97)
    return replace(one, options=options, vendor=vendor, groups=("",), records=200, keys=10, produce_s=one.quiet_s)


def _windows(theme: Theme, quiet_s: float, chance: random.Random) -> tuple[Window, ...]:
    made = []
    for _ in range(chance.randint(0, 4) if WINDOWS[theme] else 0):
        from_s = chance.uniform(0, quiet_s)
        lasts_s = chance.uniform(10, 30) if theme == "ageing" else chance.uniform(0.5, 20)
        to_s = min(quiet_s, from_s + lasts_s)
        made.append(Window(chance.choice(WINDOWS[theme]), from_s, to_s, chance.choice((0.0, 0.0, 1.0, 5.0, 12.0))))
    # Credentials that fail, work and fail again look like a refusal of content; so they fail once.
    refused = [window for window in made if window.kind == "unauthorised"]
    return tuple(window for window in made if window not in refused[1:])


def _groups(seed: int) -> tuple[str, ...]:
    """Draw how many credentials there are, by a chance of its own."""
    return random.Random(f"{seed}/groups").choice((("",), ("", "ios"), ("", "ios", "android")))


def _narrowed(
    windows: tuple[Window, ...], endpoints: tuple[str, ...], groups: tuple[str, ...], seed: int
) -> tuple[Window, ...]:
    """Have some credentials fail for one endpoint or group alone."""
    chance, made = random.Random(f"{seed}/narrowed"), []
    for window in windows:
        if window.kind == "unauthorised":
            endpoint, group = chance.choice((None, *endpoints)), chance.choice((None, *groups))
            window = replace(window, endpoint=endpoint, group=group)
        made.append(window)
    return tuple(made)


def _fresh(seed: int) -> Fresh:
    """Draw what the sink must keep fresh; one in two has nothing of the kind."""
    chance = random.Random(f"{seed}/fresh")
    # A token outlives any request, or one that was just renewed might be refused like one that never was good.
    token_s = chance.choice((None, None, None, 16.0, 40.0))
    switch = chance.choice(("none", "none", "none", "hold", "drop"))
    return Fresh(token_s, chance.choice((0.5, 1.5)), switch, chance.uniform(0.5, 5))


def _informed(theme: Theme, seed: int) -> Informed:
    """Draw what the sink must know; one in two needs nothing."""
    chance = random.Random(f"{seed}/informed")
    timeout_s = chance.choice((0.5, 5.0))
    return Informed(
        profile_s=chance.choice((None, None, None, 1.0, 1000.0)),
        quota=chance.choice(("questions", "shared")),
        timeout_s=5.0 if theme == "calm" else timeout_s,
        rate=chance.choice((None, None, 50.0)),
        store=chance.choice(("none", "none", "none", "wait", "absent")),
    )


def _asked_windows(theme: Theme, fresh: Fresh, informed: Informed, quiet_s: float, seed: int) -> tuple[Window, ...]:
    """Draw when feeds, questions and the store fail, and when the switch is off."""
    chance, made = random.Random(f"{seed}/asked windows"), []
    kinds: list[WindowKind] = []
    if theme != "calm":
        kinds += ["off"] if fresh.switch != "none" else []
        kinds += ["feeds"] if kinds or fresh.token_s is not None else []
        kinds += ["profiles"] if informed.profile_s is not None else []
        kinds += ["store"] if informed.store != "none" else []
    for _ in range(chance.randint(0, 3) if kinds else 0):
        from_s = chance.uniform(-5, quiet_s)
        to_s = min(quiet_s, from_s + chance.uniform(0.5, 15))
        made.append(Window(chance.choice(kinds), from_s, to_s, chance.choice((0.0, 0.0, 1.0, 5.0))))
    return tuple(made)


def _deeds(theme: Theme, quiet_s: float, held_s: float, replicas: int, chance: random.Random) -> tuple[Deed, ...]:
    """Draw what is done; `held_s` is how long a process may hold what it was asked to give up."""
    made = []
    for _ in range(chance.randint(0, 8 if theme == "storm" else 4)):
        kind = chance.choice(DEEDS[theme])
        for_s = chance.choice((-3600.0, -5.0, 5.0, 3600.0)) if kind == "clock" else chance.uniform(0.1, 20)
        if kind == "remake":
            for_s = held_s + chance.uniform(5, 10)
        deed = Deed(kind, chance.uniform(0, quiet_s), chance.randrange(6), for_s)
        made.append(deed)
        if kind == "retention":
            # What is cut off matters to who comes to it anew.
            at_s = min(quiet_s, deed.at_s + chance.uniform(0, 1))
            made += [Deed("kill", at_s, whom, chance.uniform(0.1, 5)) for whom in range(replicas)]
    return tuple(sorted(made, key=lambda deed: deed.at_s))


def _with_swap(deeds: tuple[Deed, ...], theme: Theme, quiet_s: float, seed: int) -> tuple[Deed, ...]:
    """Have a topic replaced in a third of the runs whose topics change."""
    chance = random.Random(f"{seed}/swap")
    if theme not in ("topics", "everything") or chance.random() > 1 / 3:
        return deeds
    swap = Deed("swap", chance.uniform(0, quiet_s), chance.randrange(6))
    return tuple(sorted((*deeds, swap), key=lambda deed: deed.at_s))
