"""Golden vectors of Flagship's decisions: `python -m tests.parity.decisions FILE`."""
