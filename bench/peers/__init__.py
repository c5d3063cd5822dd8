"""Hapta beside its peers: PocketBase directly, nginx with ``proxy_cache``, Varnish and HAProxy, on one core.

Every contender stands before the same PocketBase. Hapta runs with all that an operator has: sessions, limits
(out of reach, but asked), the access log and metrics. The peers do none of it.
"""

from contextlib import ExitStack
from dataclasses import asdict, replace

from bench.errors import BenchError
from bench.peers import saved
from bench.peers.contenders import contenders
from bench.peers.idle import held
from bench.peers.plot import FILE, picture
from bench.peers.rounds import Course
from bench.peers.tables import render
from bench.peers.workloads import VIEW, WORKLOADS
from bench.plan import Plan, Section
from bench.pocketbase import pocketbase
from bench.process import allow_files

IDLE = "idle"
NAMES = (*(workload.name for workload in WORKLOADS), IDLE)
_MOST_SECONDS = 2
"""A round has half a dozen servers under two dozen workloads."""
_OPEN_FILES = 8192


def measure(plan: Plan) -> Section:
    """Run what was chosen, make the tables, and keep the figures for the next time.

    Raises:
        BenchError: a contender does not answer as it should.
    """
    plan = replace(plan, seconds=min(plan.seconds, _MOST_SECONDS))
    chosen = [
        workload
        for workload in WORKLOADS
        if (workload.name in plan.only if plan.only else workload.is_quick or not plan.is_quick)
    ]
    rivals = []
    for rival in contenders(plan.checkouts, plan.outside, is_quick=plan.is_quick):
        if rival.is_there:
            rivals.append(rival)
        else:
            plan.say(f"peers: {rival.name} is left out: {rival.program} is not installed")
    allow_files(_OPEN_FILES)
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.home, plan.pocketbase_port))
        plan.say(f"peers: PocketBase listens at {upstream.url}")
        course = Course(plan, upstream, rivals)
        runs = list(course.run(chosen))
        idle = []
        if IDLE in plan.only or (not plan.only and not plan.is_quick):
            idle = list(held(plan, course, rivals, VIEW.format(id=upstream.ids[0])))
    if not runs and not idle:
        raise BenchError("nothing was measured")
    path = saved.path_of(is_quick=plan.is_quick)
    before = saved.read(path)
    saved.write(path, runs, before)
    since = saved.compared(before, runs)
    plot = picture(runs)
    shown = f"![Requests a second beside nginx's]({FILE})\n\n" if plot else ""
    return Section(
        "peers",
        shown + render(runs, idle),
        [*map(asdict, runs), *map(asdict, idle)],
        aside="\n\n".join(filter(None, [*(saved.beside(runs, name) for name in plan.checkouts), since])),
        files={FILE: plot} if plot else {},
    )
