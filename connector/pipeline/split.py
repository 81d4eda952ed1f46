"""Taking a batch apart when its reply does not say which item is to blame. Pure."""

from collections.abc import Callable

from msgspec.structs import replace

from connector.pipeline.batch import Batch, Delivery, bundle_size


def halves(batch: Batch, *, by_bytes: bool) -> tuple[Batch, ...]:
    """Split in two, in order: bundles by count or by bytes, and a lone bundle by its members.

    A batch of one delivery cannot be split and comes back alone.
    """
    bundles = batch.bundles
    if len(bundles) > 1:
        cut = _middle_by_bytes(batch) if by_bytes else (len(bundles) + 1) // 2
        return _parts(batch, bundles[:cut], bundles[cut:])
    lone = bundles[0]
    if len(lone) == 1:
        return (batch,)
    cut = (len(lone) + 1) // 2
    return _parts(batch, (lone[:cut],), (lone[cut:],))


def first_and_rest(batch: Batch) -> tuple[Batch, ...]:
    """Part the first bundle from the others."""
    if len(batch.bundles) == 1:
        return (batch,)
    return _parts(batch, batch.bundles[:1], batch.bundles[1:])


def without(batch: Batch, gone: Callable[[Delivery], bool]) -> Batch | None:
    """Return the batch without some deliveries, None where nothing is left; itself where nothing is gone."""
    if not any(map(gone, batch.deliveries())):
        return batch
    kept = (tuple(delivery for delivery in bundle if not gone(delivery)) for bundle in batch.bundles)
    bundles = tuple(bundle for bundle in kept if bundle)
    return replace(batch, bundles=bundles) if bundles else None


def _parts(batch: Batch, *parts: tuple[tuple[Delivery, ...], ...]) -> tuple[Batch, ...]:
    return tuple(replace(batch, bundles=part) for part in parts)


def _middle_by_bytes(batch: Batch) -> int:
    limits = batch.endpoint.limits
    sizes = [bundle_size(bundle, limits) for bundle in batch.bundles]
    half, so_far = sum(sizes) / 2, 0
    for count, size in enumerate(sizes, start=1):
        so_far += size
        if so_far >= half:
            return min(count, len(sizes) - 1)
    return len(sizes) - 1
