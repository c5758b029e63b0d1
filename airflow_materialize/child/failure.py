"""An exception → what the worker reports: the user's own frames and, where there is one, the way out."""

from __future__ import annotations

import errno
import importlib
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.child.errors import AssetMistake, ResultError, WriteError
from airflow_materialize.sdk.names import INTERVAL_CHOICES

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_TEXT = 256 * 1024
"""Longer messages and tracebacks are cut in the middle."""

_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_MACHINERY = (
    _PACKAGE,
    f"{Path(importlib.__file__).parent}{os.sep}",
    "<frozen importlib",
)
_HEAD_AND_MESSAGE = 2
_FORMS = ("arrow", "pandas", "polars")
_LIBRARIES = ("pyarrow", "pandas", "polars")
# Frames of compiled code: no file of that name is on the machine, and no line can be shown.
_COMPILED = (".pxi", ".pyx")
_ASYNCIO = f"{Path(traceback.__file__).parent / 'asyncio'}{os.sep}"


def describe(error: BaseException, phase: str, sensitive: Collection[str] = ()) -> dict[str, Any]:
    """Return the body of the message `failure`.

    Args:
        error: What ended the asset.
        phase: The phase in which that was.
        sensitive: Columns whose values are not shown.
    """
    own = isinstance(error, (AssetMistake, ResultError, WriteError))
    return {
        "phase": getattr(error, "phase", phase) if own else phase,
        # The names of our own classes say nothing to who wrote the asset.
        "type": "" if own else type(error).__name__,
        "kinds": _kinds(type(error)),
        "message": _cut(_message(error, phase, sensitive)),
        "traceback": "" if own else _cut(user_traceback(error, brief=True)),
        "whole": "" if own else _whole(error),
        "hint": getattr(error, "hint", "") if own else _hint(error, phase),
    }


def _kinds(kind: type) -> list[str]:
    """Return the names of a class and of its bases, bare and dotted: what a rule for retries may say."""
    classes = [each for each in kind.__mro__ if each is not object]
    names = [name for each in classes for name in (each.__name__, f"{each.__module__}.{each.__qualname__}")]
    return list(dict.fromkeys(names))


def user_traceback(error: BaseException, *, brief: bool = False) -> str:
    """Return the traceback without the frames of this package, of the import machinery and of compiled code.

    Args:
        error: What was raised.
        brief: Of libraries, show the last frame alone: where it was raised.
    """
    formatted = traceback.TracebackException(type(error), error, error.__traceback__)
    _trim(formatted, set(), _libraries() if brief else ())
    lines = list(formatted.format())
    # Without a frame, a cause and a note what is left is the message, which stands above it.
    return "".join(lines) if len(lines) > _HEAD_AND_MESSAGE else ""


def _whole(error: BaseException) -> str:
    """Return the traceback with the frames of libraries, where it has more of them than the brief one."""
    whole = user_traceback(error)
    return "" if whole == user_traceback(error, brief=True) else _cut(whole)


def _libraries() -> tuple[str, ...]:
    """Return where the standard library and the installed packages are."""
    import sysconfig

    return tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _trim(formatted: traceback.TracebackException, seen: set[int], libraries: tuple[str, ...]) -> None:
    if id(formatted) in seen:
        return
    seen.add(id(formatted))
    frames = [frame for frame in formatted.stack if not _is_hidden(frame.filename)]
    while frames and frames[0].filename.startswith(_ASYNCIO):
        del frames[0]
    if libraries:
        frames = [frame for frame in frames[:-1] if not frame.filename.startswith(libraries)] + frames[-1:]
    formatted.stack[:] = frames
    parts = [formatted.__cause__, formatted.__context__, *(getattr(formatted, "exceptions", None) or ())]
    for part in parts:
        if part is not None:
            _trim(part, seen, libraries)


def _is_hidden(filename: str) -> bool:
    """Whether a frame is of this package, of the import machinery, or of compiled code."""
    return filename.startswith(_MACHINERY) or filename.endswith(_COMPILED)


def _message(error: BaseException, phase: str, sensitive: Collection[str]) -> str:
    if isinstance(error, ResultError):
        return error.text(sensitive)
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        ended = "" if phase == "script" else " before it returned a result"
        return f"the asset called sys.exit({code}){ended}"
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001  # the text of a user's exception may raise anything
        return f"<its message raises {type(broken).__name__}>"


def _hint(error: BaseException, phase: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"add the distribution that brings the module {package} to the asset's requirements.txt"
    if isinstance(error, SystemExit) and phase != "script":
        return "return from materialize() instead; skip() of airflow_materialize.sdk ends a run that has nothing to do"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "free space where it writes; what an asset writes into its temporary folder goes when it ends"
    if isinstance(error, AttributeError) and getattr(error, "name", "") in _FORMS and _is_frame(error):
        return f"query.{error.name}(sql), and ref(…).{error.name}(): the form is said before the rows are read"
    if isinstance(error, KeyError) and error.args and _is_interval_name(error.args[0]):
        return f"this run has no data interval: {INTERVAL_CHOICES}"
    return ""


def _is_frame(error: AttributeError) -> bool:
    """Whether it is a frame or a table, as `query()` returns it, that has no such attribute."""
    kind = type(getattr(error, "obj", None))
    return kind.__name__ in {"DataFrame", "Table"} and kind.__module__.partition(".")[0] in _LIBRARIES


def _is_interval_name(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(("BRUIN_START_", "BRUIN_END_")) and name not in os.environ


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n… {len(text) - MAX_TEXT:,} characters are left out …\n{text[-half:]}"
