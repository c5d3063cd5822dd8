"""What wrk is to ask, as Lua.

wrk calls ``request`` without telling for which connection. So callers that keep to a connection of their own
are as many threads, each with a Lua state and one connection. And it calls ``request`` once before it begins,
to see whether that is one: what comes of that call is not sent.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

FRESH = "?fields=*,lap{}"
"""A query that makes another target of a view, whose answer is the same: there is no such field."""

_RANDOM = """\
local requests = {{}}
init = function(args)
  for target in io.lines({path}) do requests[#requests + 1] = wrk.format("GET", target) end
  math.randomseed(os.time())
end
request = function() return requests[math.random(#requests)] end
"""
_CALLERS = """\
local callers = {callers}
local threads = 0
setup = function(thread)
  threads = threads + 1
  thread:set("number", threads)
end
init = function(args)
  for name, value in pairs(callers[number]) do wrk.headers[name] = value end
end
"""
_PAIRS = """\
local callers = {callers}
local heads, targets, turn = {{}}, {{}}, {first}
init = function(args)
  for number, headers in ipairs(callers) do heads[number] = wrk.format("GET", "@", headers):sub(6) end
  for target in io.lines({path}) do targets[#targets + 1] = target end
end
request = function()
  local caller, lap = turn % #heads, math.floor(turn / #heads)
  turn = turn + 1
  return "GET " .. targets[(lap + caller * {stride}) % #targets + 1] .. heads[caller + 1]
end
"""
_FRESH = """\
local targets, head, turn = {{}}, "", {first}
init = function(args)
  head = wrk.format("GET", "@"):sub(6)
  for target in io.lines({path}) do targets[#targets + 1] = target end
end
request = function()
  local lap = math.floor(turn / #targets)
  local target = targets[turn % #targets + 1]
  turn = turn + 1
  return "GET " .. target .. {query} .. head
end
"""
_MIXED = """\
local views, reads, heads, list, turn = {{}}, {{}}, {{}}, "", 0
init = function(args)
  for target in io.lines({path}) do
    views[#views + 1] = target
    reads[#reads + 1] = wrk.format("GET", target)
  end
  list = wrk.format("GET", {list})
  for name, value in pairs(wrk.headers) do heads[name] = value end
  heads["Content-Type"] = "application/json"
  math.randomseed(os.time())
end
request = function()
  turn = turn + 1
  if turn % {every} == 0 then
    return wrk.format("PATCH", views[math.random(#views)], heads, '{{"likes":' .. turn .. '}}')
  end
  if turn % 10 == 5 then return list end
  return reads[math.random(#reads)]
end
"""


def headers(values: Mapping[str, str]) -> str:
    """Every request has these."""
    return "".join(f"wrk.headers[ {_text(name)} ] = {_text(value)}\n" for name, value in values.items())


def random_walk(targets: Path) -> str:
    """Targets, one a line in a file, in random order."""
    return _RANDOM.format(path=_text(str(targets)))


def callers(of_each: Sequence[Mapping[str, str]]) -> str:
    """Each thread is a caller with headers of its own, and asks what the URL says."""
    return _CALLERS.format(callers=_tables(of_each))


def pairs(of_each: Sequence[Mapping[str, str]], targets: Path, first: int, stride: int) -> str:
    """Each caller asks for each target once, callers taking turns.

    Args:
        of_each: headers of every caller.
        first: pairs left out because they were asked for before.
        stride: targets between one caller and the next, so that they do not all ask for the same one.
    """
    return _PAIRS.format(callers=_tables(of_each), path=_text(str(targets)), first=first, stride=stride)


def fresh(targets: Path, first: int) -> str:
    """Targets nobody has asked for: with every lap over the records their query is another one.

    Args:
        first: targets left out because they were asked for before.
    """
    query = '"' + FRESH.format('" .. lap .. "') + '"'
    return _FRESH.format(path=_text(str(targets)), first=first, query=query)


def mixed(views: Path, list_target: str, every: int) -> str:
    """Random views; every tenth request is for a list, every ``every`` th a write to one of the records."""
    return _MIXED.format(path=_text(str(views)), list=_text(list_target), every=every)


def _tables(of_each: Sequence[Mapping[str, str]]) -> str:
    rows = (
        "{" + ", ".join(f"[ {_text(name)} ] = {_text(value)}" for name, value in values.items()) + "}"
        for values in of_each
    )
    return "{" + ",\n".join(rows) + "}"


def _text(value: str) -> str:
    """As a long literal of Lua, in which nothing is escaped; after another bracket there has to be a space.

    Raises:
        ValueError: it would end there.
    """
    if "]==]" in value or value.endswith("]") or "\n" in value or "\r" in value:
        raise ValueError(f"not for a Lua script: {value!r}")
    return f"[==[{value}]==]"
