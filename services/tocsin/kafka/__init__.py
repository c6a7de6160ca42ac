"""The hospital's bus, Kafka: the only package that imports kafka-python."""
