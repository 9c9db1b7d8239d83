"""The figures, measured: one file a benchmark, each in a process of its own; ``python -m benchmarks`` runs them."""
