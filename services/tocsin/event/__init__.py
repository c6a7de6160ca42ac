"""Stage one: reads an imaging event from a Kafka record, or says why the record holds none."""
