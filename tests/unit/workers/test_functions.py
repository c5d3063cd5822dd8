"""Which functions a worker can run, and what is said of those it cannot."""

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.workers.functions import FunctionRef, target_of
from tests.workers import jobs


def local() -> Callable[[], None]:
    def inner() -> None: ...

    return inner


def in_the_program() -> None: ...


in_the_program.__module__ = "__main__"


def of_another_name() -> None: ...


of_another_name.__qualname__ = "local"


@functools.wraps(jobs.size)
def wrapping(data: bytes) -> int:
    return jobs.size(data)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        pytest.param(lambda: None, "is a lambda", id="a lambda"),
        pytest.param(local(), "is defined within another function", id="a closure"),
        pytest.param(jobs.Shop().sell, "is of type method", id="a bound method"),
        pytest.param(jobs.Shop.sell, "is a method", id="a function of a class"),
        pytest.param(jobs.Shop.open, "is of type method", id="a class method"),
        pytest.param(jobs.Shop.close, "is a method", id="a static method"),
        pytest.param("abc".upper, "is a method of a str", id="a method of a built-in"),
        pytest.param(functools.partial(jobs.size, b""), "is of type partial", id="a partial"),
        pytest.param(jobs.Shop, "is of type type", id="a class"),
        pytest.param("jobs.size", "is of type str", id="a name"),
        pytest.param(None, "is of type NoneType", id="nothing"),
        pytest.param(jobs.in_a_loop, "is async", id="a coroutine function"),
        pytest.param(in_the_program, "move it into a module", id="of the program itself"),
        pytest.param(of_another_name, "is not \\(or no longer\\) this function", id="under another's name"),
        pytest.param(wrapping, "is not \\(or no longer\\) this function", id="one that hides behind another"),
    ],
)
def test_what_a_worker_could_not_find_is_refused_and_told_why(function: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        target_of(function)


@pytest.mark.parametrize("function", [jobs.size, functools.reduce, sys.getsizeof, importlib.import_module])
def test_a_function_of_a_module_is_named_by_both(function: Callable[..., Any]) -> None:
    file, module, submodule, name = target_of(function)
    assert (file, submodule) == ("", "")
    assert getattr(sys.modules[module], name) is function


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"file": "plugins/mine.py"}, id="a relative path"),
        pytest.param({"file": "/plugins/mine"}, id="no Python file"),
        pytest.param({"file": "/plugins/\0.py"}, id="no path at all"),
        pytest.param({"qualname": "Shop.sell"}, id="a method"),
        pytest.param({"qualname": "<lambda>"}, id="a lambda"),
        pytest.param({"qualname": "f.<locals>.g"}, id="a closure"),
        pytest.param({"qualname": ""}, id="no name"),
        pytest.param({"qualname": "os; import"}, id="more than a name"),
        pytest.param({"name": "my-plugin"}, id="no name of a module"),
        pytest.param({"name": "a..b"}, id="an empty part"),
        pytest.param({"submodule": "a"}, id="a module within a file"),
        pytest.param({"file": "/p/__init__.py", "submodule": ".a"}, id="a relative module"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        FunctionRef(**{"file": "/plugins/mine.py", "qualname": "f", **fields})


def test_a_reference_is_made_of_a_function_of_the_plugin_only() -> None:
    ref = FunctionRef.of(jobs.size, "/x/__init__.py", "tests")
    assert ref == FunctionRef("/x/__init__.py", "size", "tests", "workers.jobs")
    with pytest.raises(TypeError, match=r"is not of this plugin but of tests\.workers\.jobs"):
        FunctionRef.of(jobs.size, "/x/__init__.py", "test")
    with pytest.raises(TypeError, match="is a lambda"):
        FunctionRef.of(lambda: None, "/x/__init__.py", "tests.unit.workers.test_functions")


_PATHS = st.text(min_size=1).filter(lambda text: "\0" not in text).map(lambda text: f"/{text}.py")


@given(files=st.lists(_PATHS, min_size=2, max_size=2, unique=True))
def test_two_files_never_share_the_name_made_for_them(files: list[str]) -> None:
    names = [FunctionRef(file, "f").target[1] for file in files]
    assert names[0] != names[1]
    assert all(name.isidentifier() for name in names)


@given(
    file=st.one_of(_PATHS, st.text()),
    qualname=st.text(max_size=20),
    name=st.text(max_size=20),
    submodule=st.text(max_size=20),
)
def test_a_reference_is_refused_or_tells_names_and_nothing_else(
    file: str, qualname: str, name: str, submodule: str
) -> None:
    try:
        target = FunctionRef(file, qualname, name, submodule).target
    except TypeError:
        return
    assert target[0].startswith("/")
    assert target[3].isidentifier()
    assert all(part.isidentifier() for dotted in target[1:3] if dotted for part in dotted.split("."))
