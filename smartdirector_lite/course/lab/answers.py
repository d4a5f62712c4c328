"""A student's answers as a program that runs on its own: functions with their imports, helpers and plain globals."""

import ast
import inspect
import math
import sys
import textwrap
from collections.abc import Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_LITERAL = 20_000  # characters; a longer value is named in a comment and not kept
MAX_VALUES = 256  # of a tensor or an array


def program_of(answers: tuple, references: Mapping[int, str] | None = None) -> str:
    """Return a program that binds the answers to the name `answers`, as a tuple.

    Args:
        answers: functions or plain values.
        references: the number of an exercise by the id of the library's answer to it, which a program can then name.
    """
    program, given = _Program(references or {}), []
    for place, answer in enumerate(answers, 1):
        literal = None if isinstance(answer, FunctionType) else _literal(answer)
        name = literal or getattr(answer, "__name__", "") or ""
        if literal is None and not name.isidentifier():
            name = f"answer_{place}"
        if literal is None:
            program.add(name, answer)
        elif "torch." in literal:
            program.add("torch", torch)
        given.append(name)
    return program.text(f"answers = ({', '.join(given)}{',' * (len(given) == 1)})")


class _Program:
    """Lines that define names, each after the names that it needs."""

    def __init__(self, references: Mapping[int, str]):
        self.references = references
        self.imports: list[str] = []
        self.parts: list[str] = []
        self.seen: set[str] = set()

    def text(self, last: str) -> str:
        return "\n\n\n".join(filter(None, ["\n".join(self.imports), *self.parts, last]))

    def add(self, name: str, value: Any) -> None:
        """Define a name, unless that is done already."""
        if name in self.seen:
            return
        self.seen.add(name)
        if isinstance(value, ModuleType):
            alias = "" if value.__name__ == name else f" as {name}"
            self.imports.append(f"import {value.__name__}{alias}")
        elif isinstance(value, FunctionType) and self._add_source(name, value):
            pass
        elif home := _home(name, value):
            module, its_name = home
            self.imports.append(f"from {module} import {its_name}" + ("" if its_name == name else f" as {name}"))
        elif id(value) in self.references:
            self.imports.append("from smartdirector_lite.course.lab.record import EXERCISES")
            self.parts.append(f"{name} = EXERCISES[{self.references[id(value)]!r}].reference")
        elif (literal := _literal(value)) is not None:
            if "torch." in literal:
                self.add("torch", torch)
            self.parts.append(f"{name} = {literal}")
        else:
            self.parts.append(f"# {name}: a {type(value).__name__}, which is not kept")

    def _add_source(self, name: str, function: FunctionType) -> bool:
        """Add the source of a function from the notebook; return False for one of a library, or without a source."""
        if function.__module__ != "__main__" and _home(name, function) and "." in str(function.__module__):
            return False
        try:
            source = textwrap.dedent(inspect.getsource(function))
            node = _lambda_node(source, function) if function.__name__ == "<lambda>" else ast.parse(source)
        except (TypeError, OSError, SyntaxError, ValueError):
            return False
        known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        for used in ast.walk(node):
            if isinstance(used, ast.Name) and used.id in known and used.id != name:
                self.add(used.id, known[used.id])
        if isinstance(node, ast.Lambda):
            self.parts.append(f"{name} = {ast.unparse(node)}")
        else:
            alias = "" if function.__name__ == name else f"\n\n\n{name} = {function.__name__}"
            self.parts.append(source.rstrip() + alias)
        return True


def _home(name: str, value: Any) -> tuple[str, str] | None:
    """Return the module of a library from which a value can be imported, and its name there; None for none."""
    its_name = getattr(value, "__name__", name)
    modules = [getattr(value, "__module__", None), *sorted(sys.modules, key=len)]
    for module in dict.fromkeys(m for m in modules if isinstance(m, str)):
        if module != "__main__" and vars(sys.modules.get(module, object)).get(its_name) is value:
            simple = isinstance(value, int | float | str | bool | tuple | list | dict | type(None))
            return None if simple else (module, its_name)
    return None


def _lambda_node(source: str, function: FunctionType) -> ast.Lambda:
    """Return the lambda of a function in the statement that holds it."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)]
    for node in found:
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<answer>", "eval").co_consts[0]
        if len(found) == 1 or (isinstance(code, CodeType) and code.co_code == function.__code__.co_code):
            return node
    raise ValueError("no lambda there")


def _literal(value: Any) -> str | None:
    """Return the Python text of a plain value, of a small tensor or array (as a tensor), or None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = torch.from_numpy(value.copy())
    if isinstance(value, Tensor):
        if value.numel() > MAX_VALUES or value.is_complex():
            return None
        return f"torch.tensor({_literal(value.tolist())}, dtype={value.dtype})"
    if isinstance(value, torch.dtype):
        return repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, list | tuple | set) and type(value) in (list, tuple, set):
        items = [_literal(item) for item in value]
        if None in items or (isinstance(value, set) and not items):
            return None
        left, right = {list: "[]", tuple: "()", set: "{}"}[type(value)]
        text = f"{left}{', '.join(items)}{',' * (type(value) is tuple and len(items) == 1)}{right}"
    elif type(value) is dict:
        pairs = [(_literal(key), _literal(item)) for key, item in value.items()]
        if any(None in pair for pair in pairs):
            return None
        text = "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
    elif type(value) in (int, float, str, bool, bytes, range, slice, type(None), type(...)):
        text = repr(value)
    else:
        return None
    return text if len(text) <= MAX_LITERAL else None
