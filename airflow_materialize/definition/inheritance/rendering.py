"""Jinja for what an author writes into a header, in a sandbox: names, filters, and nothing of the platform.

Airflow never renders such a string, so no connection, variable or macro of Airflow is within reach. Importing this
module imports Jinja: parsing does so where a template stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from airflow_materialize.definition.inheritance.date_filters import FILTERS
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from jinja2.runtime import Context

# What a product of two values may have as its length, or as its bits.
_LARGEST = 64 * 1024

_SHOWN = 200
_REPEATING = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.FilterBlock)
_CAUGHT = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class UnfillableError(MaterializeError):
    """A template that cannot be filled in.

    Args:
        text: The template.
        reason: Why.
        hint: What would be right.
    """

    def __init__(self, text: str, reason: str, hint: str) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        super().__init__(f"The template {shown!r} cannot be filled in: {reason}", hint=hint)
        self.reason = reason


def render(text: str, names: Mapping[str, Any], advise: Callable[[str], str] = lambda _: "") -> str:
    """Fill in a template.

    Args:
        text: The template.
        names: All that it may use.
        advise: What to say of an unknown name, by its message, before the names that there are.

    Raises:
        UnfillableError: The template is malformed, reaches for something that there is not, or a filter refuses what it
            was given.
    """
    if "{" not in text:
        return text
    try:
        return ENVIRONMENT.from_string(text).render(names)
    except TemplateSyntaxError as error:
        raise UnfillableError(text, f"line {error.lineno}: {error.message}", _hint_of_syntax(error)) from error
    except UndefinedError as error:
        known = f"there are: {', '.join(sorted(names))}"
        advice = advise(str(error.message))
        raise UnfillableError(text, str(error.message), f"{advice}; {known}" if advice else known) from error
    except SecurityError as error:
        raise UnfillableError(text, str(error.message), "templates reach names and filters only") from error
    except MaterializeError as error:
        raise UnfillableError(text, error.message, error.hint) from error
    except _CAUGHT as error:
        raise UnfillableError(text, str(error), "") from error


def render_now(text: str, names: Mapping[str, Any]) -> str:
    """Fill in a template while files are read: without statements that repeat, so that it is done at once.

    Raises:
        UnfillableError: As for `render`.
    """
    try:
        tree = ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise UnfillableError(text, f"line {error.lineno}: {error.message}", _hint_of_syntax(error)) from error
    if next(tree.find_all(_REPEATING), None):
        raise UnfillableError(text, "loops and macros are not allowed here", "an expression, as {{ var.region }}")
    return render(text, names)


def syntax_error(text: str) -> tuple[int, str] | None:
    """Return the line and the reason for which a text is no template, or None."""
    try:
        ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        return error.lineno, str(error.message)
    return None


class _Unknown(StrictUndefined):
    """A name that there is not. Each use of it, `is defined` and `default()` aside, is an error."""

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, SimpleNamespace):
            variables = ", ".join(sorted(vars(self._undefined_obj))) or "none"
            return f"var.{self._undefined_name} is unknown; the pipeline's variables: {variables}"
        if self._undefined_hint or not isinstance(self._undefined_name, str):
            return super()._undefined_message
        return f"{self._undefined_name} is unknown"


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which no short expression becomes a value that fills the memory."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and _bits(left) * abs(right) > _LARGEST:
            raise SecurityError("the power is too large")
        if operator == "*" and max(_length(left) * _count(right), _length(right) * _count(left)) > _LARGEST:
            raise SecurityError("the product is too large")
        return super().call_binop(context, operator, left, right)


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 1


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _hint_of_syntax(error: TemplateSyntaxError) -> str:
    if str(error.message).startswith("No filter named"):
        return f"there are Jinja's own filters and: {', '.join(sorted(FILTERS))}"
    return ""


def _environment() -> ImmutableSandboxedEnvironment:
    # Nothing here is HTML: escaping would corrupt SQL.
    environment = _Sandbox(undefined=_Unknown, autoescape=False, keep_trailing_newline=True)
    environment.globals = {name: environment.globals[name] for name in ("range", "dict", "namespace")}
    environment.filters |= FILTERS
    return environment


ENVIRONMENT = _environment()
