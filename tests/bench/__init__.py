"""The pure parts of the benchmark: parsing, statistics, tables."""
