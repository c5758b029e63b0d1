"""Servers of our own, to be killed: never those of the machine, which others use."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 60.0


class Server:
    """A server that can be killed and started again.

    Args:
        url: Of a database in it.
        command: Starts it in the foreground.
        user: Whom it runs as; empty for the user of this process.
        ready: Whether it answers.
    """

    def __init__(self, url: str, command: list[str], user: str, ready: Callable[[], bool]) -> None:
        self.url, self._command, self._user, self._ready = url, command, user, ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. One that finds a dead one's leavings gives up; then another is tried."""
        end = time.monotonic() + _PATIENCE
        while not (self._process and self._ready()):
            if time.monotonic() > end:
                raise AssertionError(f"{self._command[0]} does not start")
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    user=self._user or None, group=self._user or None, extra_groups=[] if self._user else None,
                )  # fmt: skip
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill all of its processes with SIGKILL, the ones that serve connections too."""
        if self._process:
            pid = self._process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children")
            all_of_them = [pid, *map(int, children.read_text().split())] if children.exists() else [pid]
            for each in all_of_them:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _postgres(folder: Path) -> Server:
    import psycopg

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        raise FileNotFoundError("initdb of PostgreSQL")
    programs, port = found[-1].parent, _free_port()
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else ""
    data = folder / "data"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    for each in (folder, *folder.parents):
        if user and not each.stat().st_mode & 1:
            each.chmod(each.stat().st_mode | 0o011)
    make = [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, user=user or None, group=user or None)
    options = {"port": port, "unix_socket_directories": data, "listen_addresses": "127.0.0.1", "max_connections": 50}
    command = [str(programs / "postgres"), "-D", str(data)]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def ready() -> bool:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    return Server(url, command, user, ready)


def _mysql(folder: Path) -> Server:
    import MySQLdb

    program, make = shutil.which("mariadbd") or "/usr/sbin/mariadbd", shutil.which("mariadb-install-db")
    if not Path(program).is_file() or not make:
        raise FileNotFoundError("mariadbd and mariadb-install-db")
    data, port = folder / "data", _free_port()
    # Two that are made at once would meet in the machine's folder for temporary files.
    own = folder / "tmp"
    own.mkdir()
    me = [f"--tmpdir={own}", *(["--user=root"] if os.geteuid() == 0 else [])]
    subprocess.run(
        [make, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *me],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    command = [
        program, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={data}/s", f"--pid-file={data}/pid", "--local-infile=1", *me,
    ]  # fmt: skip
    where = {"host": "127.0.0.1", "port": port, "user": "root", "connect_timeout": 2}

    def ready() -> bool:
        try:
            connection = MySQLdb.connect(**where)
        except MySQLdb.OperationalError:
            return False
        connection.query("CREATE DATABASE IF NOT EXISTS shop")
        connection.close()
        return True

    return Server(f"mysql://root@127.0.0.1:{port}/shop", command, "", ready)


_KINDS = {"postgres": _postgres, "mysql": _mysql}


@contextmanager
def own_server(kind: str, folder: Path) -> Iterator[Server]:
    """Make and start a server of a kind; it is killed at the end.

    Raises:
        FileNotFoundError: Its programs are not on this machine.
    """
    server = _KINDS[kind](folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
