"""Other strategies, as tuners, for benchmarks only: what this search is compared with besides MetaSchedule's own."""
