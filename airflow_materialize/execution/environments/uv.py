"""Calls of uv: the binary of the `uv` package, in an environment made from an allow-list."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import uv

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.warden import kernel

# What uv needs of a machine, and what points it at caches and interpreters. Nothing else of the worker may reach it: uv
# expands `${NAME}` in requirements files, and the build scripts of packages see all that it sees. The indexes, whose
# addresses may hold a password, therefore take another way: `config` of `run_uv`.
_ALLOWED = frozenset({
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_FIND_LINKS", "UV_NO_INDEX", "UV_INDEX_STRATEGY", "UV_INSECURE_HOST", "UV_EXCLUDE_NEWER",
    "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES",
    "UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS",
})  # fmt: skip

_ALWAYS = {
    # Links into uv's cache would let code in one environment change the files of all others.
    "UV_LINK_MODE": "copy",
    # A machine without a network shall say so within seconds. Each value yields to the worker's own.
    "UV_HTTP_RETRIES": "2",
    "UV_HTTP_TIMEOUT": "20",
}

_MFD_EXEC = 0x10
_NO_HINT = "hint: Build failures usually indicate"


def uv_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for uv, of which `parent` (the worker's) has more."""
    return {**_ALWAYS, **{name: value for name, value in parent.items() if name in _ALLOWED}}


def uv_version() -> str:
    """Return the version of uv, as `0.13.8`."""
    return version("uv")


def run_uv(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str],
    child: Child | None = None,
    held: tuple[int, ...] = (),
    config: str = "",
    secret: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run uv to its end, contained as user code is: the build scripts of packages are user code.

    No configuration file is read: a stray `uv.toml` of a user or a repository must not change an asset.

    Args:
        arguments: The command and its options.
        cwd: Paths in requirements files are relative to it.
        env: Made by `uv_environment`.
        child: The handle by which it is ended.
        held: File descriptors that uv inherits, and no others.
        config: Settings in the form of a `uv.toml`.
        secret: Whether there is a credential in them. Then nobody can look into uv while it runs.

    Raises:
        MaterializeError: It was stopped by the handle.
    """
    program = uv.find_uv_bin()
    options = [*map(str, arguments), "--no-config", "--no-progress", "--color=never"]
    # uv's cache is the user's, and what other tools link from there may have to be read by others.
    run = partial(run_contained, env=env, cwd=cwd, child=child or Child(), umask=-1)
    if not config:
        return run([program, *options], held=held)
    with contextlib.ExitStack() as stack:
        descriptor = stack.enter_context(_pipe_with(config))
        held = (*held, descriptor)
        if secret and kernel.LINUX:
            copy = stack.enter_context(_unreadable(program))
            program, held = f"/dev/fd/{copy}", (*held, copy)
        return run([program, *options, "--config-file", f"/dev/fd/{descriptor}"], held=held)


@contextlib.contextmanager
def _pipe_with(text: str) -> Iterator[int]:
    """Give a descriptor from which a text can be read once.

    uv empties it as it starts, before any build script runs: what is in it is in no file, argument or variable.
    """
    reading, writing = os.pipe()
    try:
        try:
            os.set_blocking(writing, False)
            if os.write(writing, text.encode()) < len(text.encode()):
                raise MaterializeError("the settings of uv are too long", hint="shorten the table [tool.uv]")
        finally:
            os.close(writing)
        yield reading
    finally:
        os.close(reading)


@contextlib.contextmanager
def _unreadable(program: str) -> Iterator[int]:
    """Give a descriptor of a copy of a program, in memory, that its own user may start and not read.

    Of a process that runs such a file the kernel shows no memory to anybody. The build scripts that uv starts could
    read that of uv otherwise, and what it was told is there as long as it runs.
    """
    source = Path(program)
    writing = _memory_file(source.name)
    try:
        with source.open("rb") as file:
            size = source.stat().st_size
            while size > 0 and (sent := os.sendfile(writing, file.fileno(), None, size)):
                size -= sent
        copy = os.open(f"/proc/self/fd/{writing}", os.O_RDONLY | os.O_CLOEXEC)
        os.fchmod(writing, 0o111)
    finally:
        # What somebody may still write to is not started.
        os.close(writing)
    try:
        yield copy
    finally:
        os.close(copy)


def _memory_file(name: str) -> int:
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC | _MFD_EXEC)
    except OSError as error:
        # Linux before 6.3 does not know that one has to say so.
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, os.MFD_CLOEXEC)


def reason(process: subprocess.CompletedProcess[str]) -> str:
    """Return why uv failed, in its own words, without its warnings."""
    kept, _, error = process.stderr.strip().rpartition("error: ")
    text = error if kept or process.stderr.startswith("error: ") else process.stderr.strip()
    # It says no more than that something is wrong.
    text = text.partition(_NO_HINT)[0].rstrip()
    return text or f"uv ended with exit code {process.returncode} and said nothing"
