"""Whether a vendor answers at all, by plain sequences."""

from itertools import pairwise

from connector.pipeline.circuit import Circuit


def opened_at(now_s: float) -> Circuit:
    """Open a circuit at that time: ten failures, the last 5 s after the last success."""
    circuit = Circuit(now_s - 5.0)
    for _ in range(10):
        circuit.failed(now_s, probe=False)
    assert circuit.state == "open"
    return circuit


def test_ten_failures_and_five_seconds_open_it_and_not_one_less() -> None:
    circuit = Circuit(0.0)
    for _ in range(9):
        circuit.failed(100.0, probe=False)
    assert circuit.state == "closed"
    circuit.failed(100.0, probe=False)
    assert circuit.state == "open"


def test_ten_failures_within_five_seconds_of_a_success_do_not_open_it() -> None:
    circuit = Circuit(0.0)
    circuit.answered(100.0)
    for _ in range(50):
        circuit.failed(104.9, probe=False)
    assert circuit.state == "closed"
    circuit.failed(105.0, probe=False)
    assert circuit.state == "open"


def test_a_success_begins_the_count_anew() -> None:
    circuit = Circuit(0.0)
    for _ in range(9):
        circuit.failed(1.0, probe=False)
    circuit.answered(2.0)
    for _ in range(9):
        circuit.failed(100.0, probe=False)
    assert circuit.state == "closed"


def test_429_never_opens_it() -> None:
    circuit = Circuit(0.0)
    for second in range(1000):
        circuit.limited(float(second), probe=False)
    assert circuit.state == "closed"


def test_any_answer_about_content_closes_it() -> None:
    circuit = opened_at(100.0)
    assert circuit.answered(100.5)
    assert circuit.state == "closed"
    circuit = opened_at(100.0)
    circuit.start()
    assert circuit.state == "half_open"
    assert circuit.answered(101.5)
    assert circuit.state == "closed"


def probes(circuit: Circuit, now_s: float, until_s: float) -> list[float]:
    """Return when probes start of a vendor that stays silent, each reply coming at once."""
    times = []
    while now_s < until_s:
        now_s += circuit.wait_s(now_s, probing=False)
        times.append(now_s)
        circuit.start()
        circuit.failed(now_s, probe=True)
    return times


def test_probes_come_at_1_2_4_and_8_seconds_and_after_a_minute_twice_a_minute() -> None:
    times = [at_s - 100.0 for at_s in probes(opened_at(100.0), 100.0, 100.0 + 3600.0)]
    assert times[:9] == [1.0, 3.0, 7.0, 15.0, 23.0, 31.0, 39.0, 47.0, 55.0]
    late = [at_s for at_s in times if at_s > 64.0]
    assert all(later - earlier == 30.0 for earlier, later in pairwise(late))


def test_nothing_starts_beside_a_probe() -> None:
    circuit = opened_at(100.0)
    circuit.start()
    assert circuit.wait_s(1000.0, probing=True) == float("inf")


def test_a_429_ends_a_probe_and_leaves_the_circuit_open() -> None:
    circuit = opened_at(100.0)
    circuit.start()
    circuit.limited(101.0, probe=True)
    assert circuit.state == "open"
    assert circuit.wait_s(101.0, probing=False) == 2.0


def test_a_set_up_fault_ends_a_silence_but_is_no_success() -> None:
    circuit = opened_at(100.0)
    circuit.start()
    assert not circuit.refused(probe=False), "its request may be older than the silence"
    assert circuit.refused(probe=True)
    assert circuit.state == "closed"
    assert circuit.last_success_s == 95.0


def test_a_probe_that_is_cancelled_lets_another_one_try() -> None:
    circuit = opened_at(100.0)
    circuit.start()
    circuit.abandoned(probe=True)
    assert circuit.state == "open"
