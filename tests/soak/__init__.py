"""The long tests: every fault of Kafka, the vendor and time that takes minutes. `make soak` runs them, a report tells.

A row is a test in a file named `rows_*.py`, which an ordinary run of pytest does not collect. It is marked with what it
is called and what must hold, and says what it measured:

    @pytest.mark.row("a leader moves every 2 s", bound="0 missing, rate at least 70%")
    def test_...(tell: Tell) -> None:
        ...
        tell(missing=0, rate="84%")
"""
