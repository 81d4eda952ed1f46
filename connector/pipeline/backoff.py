"""How long to wait before another attempt. Pure."""

import random


def delay_s(failures: int, chance: random.Random, *, first_s: float, longest_s: float) -> float:
    """Draw a wait: exponential with full jitter.

    Units: `failures` from 1. The ceiling is `first_s`, doubled by each further failure up to `longest_s`.
    """
    ceiling = min(longest_s, first_s * 2.0 ** min(failures - 1, 30))
    return chance.uniform(0.0, ceiling)
