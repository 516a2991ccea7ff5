"""A real Apache Kafka on this machine, for tests, `make kafka` and the benchmarks."""
