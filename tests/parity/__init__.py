"""Our sinks beside the vendors' own SDKs: `python -m tests.parity <vendor> FILE...`.

A capture says what an SDK was asked to do and what it then sent. What it was asked is mapped to events of ours, a real
flow runs them in virtual time, and each request is compared: method, path, meaningful headers, parsed body.
`captures/` holds the captures as facts, without what can be told from the rest (exact text, hashes, lengths, notes).
"""
