"""How many workers there are to be."""

import os

from hapta.config import WorkersConfig


def worker_count(config: WorkersConfig, threads: int, cores: int | None = None) -> int:
    """What is configured, else one for each core but the one the gateway itself runs on.

    Args:
        threads: ``server.threads``, the other name of ``workers.count``; 0 where it is not used.
        cores: those this process may use; looked up if ``None``.
    """
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return config.count or threads or max(1, cores - 1)
