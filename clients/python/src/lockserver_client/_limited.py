"""Which functions `limited` can hold permits for: those that have done their work when they return."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _is(kind: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    """Whether it is a function of this kind, or an object that is called like one."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(type(function), "__call__", None))  # noqa: B004


def check_async(function: Callable[..., Any]) -> None:
    """Raise `TypeError` if its calls are not to be awaited."""
    if not _is(inspect.iscoroutinefunction, function):
        raise TypeError(f"{name(function)} is not a coroutine function: use Client, or `async with`")


def check(function: Callable[..., Any]) -> None:
    """Raise `TypeError` if its calls only make what runs later."""
    later = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(_is(kind, function) for kind in later):
        raise too_late(function)


def is_unfinished(result: object) -> bool:
    """Whether the work is still to be done. A coroutine that nobody will await is closed."""
    if inspect.iscoroutine(result):
        result.close()
        return True
    return inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result)


def name(function: Callable[..., Any]) -> str:
    """What to call it in an error."""
    return getattr(function, "__name__", None) or repr(function)


def too_late(function: Callable[..., Any]) -> TypeError:
    """The error of such a function."""
    return TypeError(f"{name(function)} would run after its permits are released: use AsyncClient, or `with`")
