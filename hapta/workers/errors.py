"""What may become of a job.

None of these goes to a client as it is: whoever gave the job knows what its failure means for a request. Only
a pool that takes no more jobs says so itself (:class:`hapta.model.errors.Overloaded`).
"""


class JobError(Exception):
    """A job has no result."""


class JobFailed(JobError):
    """The function raised.

    The exception itself stays where it was raised: to make it anew here would run code of whatever class it
    has.

    Attributes:
        type_name: the exception's class, such as ``ValueError`` or ``package.module.Error``.
        message: its text.
        trace: where it was raised, as Python would print it.
    """

    def __init__(self, type_name: str, message: str, trace: str) -> None:
        super().__init__(f"{type_name}: {message}" if message else type_name)
        self.type_name = type_name
        self.message = message
        self.trace = trace


class JobTimedOut(JobError):
    """The job's deadline is over.

    Attributes:
        was_begun: a worker was at it, and was killed; else it never had one.
    """

    def __init__(self, deadline_s: float, *, was_begun: bool) -> None:
        how = "was not done" if was_begun else "found no free worker"
        super().__init__(f"the job {how} within {deadline_s:g} s")
        self.was_begun = was_begun


class WorkerLost(JobError):
    """The worker ended in the middle of the job: how far it came nobody knows, so it is not tried again."""


class NotTransferable(JobError):
    """What the job was given, or gave back, cannot go from one process to the other: it cannot be pickled, or
    is larger than ``workers.max_result_bytes``."""
