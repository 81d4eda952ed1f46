"""How fast one connector process is, beside a loop that does the least such a process must do.

    python -m tests.bench                              400,000 records to Segment, at 0 and at 100 ms of vendor latency
    python -m tests.bench --records 100000 --rounds 3  smaller runs, of which the best counts
    python -m tests.bench --check                      exit with 1 where a target is missed

Everything is real: a broker and a registry (those of KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL, where both are
set), and in processes of their own the sandbox as the vendor, the floor and the connector. The floor and the connector
take turns, so that both meet the same neighbours on the machine; CPU time is the process's own, counted between a
tenth of the records and nineteen twentieths, without the start and without the last batches' wait for company. Age is
measured apart, at a steady pace: in a backlog it is only the wait of the backlog. It begins after a warm-up of two
seconds, in which the schema is fetched and connections are made.
"""
