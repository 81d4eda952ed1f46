"""Events from Kafka to the vendors' own APIs, in order per key, at least once.

One flow per sink, each in a consumer group of its own:

    consume      records of the assigned partitions, within a budget     adapters/kafka_consumer.py, pipeline/flow.py
    decode       Avro bytes into one of our events                       pipeline/intake.py, pipeline/decode.py
    route        wanted by this sink, and its order key                  pipeline/route.py
    lane         one queue per hash of keys: translate, batch            pipeline/lane.py, pipeline/turn.py
    deliver      one attempt, one outcome per item                       pipeline/deliver.py
    acknowledge  a record is resolved when its deliveries are final      pipeline/account.py, pipeline/acknowledge.py
    commit       the first unresolved offset, stored by the consumer     adapters/kafka_consumer.py
"""

__version__ = "0.1.0"
