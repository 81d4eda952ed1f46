"""The whole flow, simulated: the real stages on virtual time, every fault drawn from one seed.

    python -m tests.simulation --seeds 500 --from 1         run seeds 1 to 500; the last line is `N seeds, V violations`
    python -m tests.simulation --seeds 1 --from 42 --story  replay seed 42 alone and print what happened, in order
    python -m tests.simulation --seeds 1 --from 42 --shrink take away what a failing seed does not need; a short story
    python -m tests.simulation --seeds 200 --mutations      see that each deliberate defect is caught in so many seeds

A seed decides everything: topology, settings, records, latencies, vendor and broker faults, crashes, rebalances. What
is real is `connector/pipeline`; around it stand doubles that know nothing of its insides:

    loop      an event loop whose time is a number; a process on it can be frozen or killed between any two callbacks
    scenario  what a run is like; draw, seed -> scenario
    maker     what is produced: good records, and each way to be bad
    records   what is known of each record, and of who holds it
    topics    logs: gaps, transactions, retention, partitions added, a topic made anew
    broker    a consumer group: rebalances both ways, fencing, commits, a coordinator that is away
    member    the group's members, as the stages see them (Consumer)
    vendor    the vendor with its quota and faults (Http), as tests/simulation/sink.py speaks to it
    facts     what the sink must know first, of the vendor and of a store; fact_server, both of these from their side;
              facts_known, what must follow
    feeds     what the sink keeps fresh, a token and a switch; feed_server, the vendor's side of them
    letters   the dead-letter topic (Producer)
    decoder   values -> events, schemas learnt late (Decode)
    replica   one process: start, stop, kill, freeze
    oracle    the truth outside of the flow, and the invariants; it is told of every send, reply, letter and commit
    world     joins them for one seed
    shrink    a failing scenario -> the least that fails alike
    mutations defects on purpose, each of which must break an invariant

Invariants, checked when the thing happens, not only at the end:

    I1  every record ends delivered, dead-lettered or skipped; only bad ones are dead-lettered, with their own bytes
    I2  a commit never passes a record which the committing process has not seen resolved, nor the log's end, nor goes
        back; nor does it say of one above it that it is resolved
    I3  nothing of a key is sent while an earlier record of that key is open
    I4  nothing is delivered twice but for a crash, a loss, an unknown outcome or a drain that ran out of time, and
        never what a commit said to be resolved above it; id and bytes are the same every time, and no other record's;
        without faults nothing at all
    I5  once the faults have ended everything is resolved and committed within a bounded time
    I8  each process counts as many records delivered as it was told of
    I9  a process that ends leaves no task behind
    and: Retry-After is kept to, also by feeds, of which each is asked for once at a time; of a refused set-up a
    confirmation and probes are sent and no more; requests carry the token that was given last, and none starts while
    the switch is known to be off; what records say of their users is true, no question is asked again while its answer
    holds, and the store was told of each record before it is committed; nothing is sent for a partition that was handed
    over or after the end, polls go on, drains and stops are in time, no task dies
"""
