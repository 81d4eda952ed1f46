"""A host that closes connections unannounced is soon given one for each request, and tried again later."""

from connector.adapters.keep_alive import MOST_HANGUPS, REST_S, KeepAlive

HOST = "vendor.example:443"


def closing(hosts: KeepAlive, times: int, now_s: float = 0.0) -> None:
    """Have a new connection answered and then closed on the next request, so many times."""
    for _ in range(times):
        hosts.answered(HOST, reused=False)
        hosts.hung_up(HOST, now_s)


def test_a_host_that_closes_after_each_reply_is_trusted_no_more_for_a_while() -> None:
    hosts = KeepAlive()
    closing(hosts, MOST_HANGUPS - 1)
    assert hosts.trusted(HOST, 0.0)
    closing(hosts, 1)
    assert not hosts.trusted(HOST, 0.0)
    assert not hosts.trusted(HOST, REST_S - 0.1)
    assert hosts.trusted(HOST, REST_S)
    assert hosts.trusted("other.example:443", 0.0)


def test_after_the_rest_one_hang_up_is_enough_and_one_connection_that_serves_twice_ends_it() -> None:
    hosts = KeepAlive()
    closing(hosts, MOST_HANGUPS)
    closing(hosts, 1, REST_S)
    assert not hosts.trusted(HOST, 2 * REST_S - 0.1)
    hosts.answered(HOST, reused=True)
    closing(hosts, MOST_HANGUPS - 1, 2 * REST_S)
    assert hosts.trusted(HOST, 2 * REST_S)


def test_a_host_that_went_down_with_all_its_connections_hung_up_once() -> None:
    hosts = KeepAlive()
    for _ in range(64):
        hosts.hung_up(HOST, 0.0)
    assert hosts.trusted(HOST, 0.0)


def test_connections_that_expire_between_others_that_serve_count_for_nothing() -> None:
    hosts = KeepAlive()
    for _ in range(100):
        closing(hosts, 1)
        hosts.answered(HOST, reused=True)
    assert hosts.trusted(HOST, 0.0)
