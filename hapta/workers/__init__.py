"""Workers: processes for what would keep the event loop from answering.

A job is a function that stands at the level of a module and its arguments; it is pickled, run in a process of
its own and answered to whoever asked, and to nobody else: every job has a number, and a worker has one job at
a time.

* :mod:`~hapta.workers.pool` gives jobs to workers, keeps as many of these as it should, and holds what waits
  within bounds.
* :mod:`~hapta.workers.worker` is one process as the gateway sees it, :mod:`~hapta.workers.child` the program
  that runs there, :mod:`~hapta.workers.wire` what goes between both.
* :mod:`~hapta.workers.functions` says what may be run, :mod:`~hapta.workers.plugin_code` finds it there.

A worker is a new interpreter, not a fork: a fork of a process with threads and an event loop copies locks
that nobody will ever open. It is started like :mod:`multiprocessing` spawns its children, but not by that
module: that one runs the program's main module again in each of them, adds a process that tracks resources,
and leaves them Hapta's standard output and terminal until they have given these away themselves.

This is no sandbox. A worker is the same user as Hapta and runs the operator's own code; what it gives back is
unpickled. It keeps crashes, endless loops and leaks away from requests.
"""
