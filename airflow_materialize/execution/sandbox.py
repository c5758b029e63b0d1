"""What user code sees of the worker: an environment that starts empty, and private folders."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

# Nothing that is not named here reaches user code, so no name of a secret has to be known. PYTHONDONTWRITEBYTECODE,
# common in images, would make every run compile every import again.
_ALLOWED = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"})
_ALLOWED_PREFIX = "LC_"
_PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"})

# New files of user code are private to the worker's user.
UMASK = 0o077


def child_environment(
    bruin: Mapping[str, str], scratch: Path, venv: Path, parent: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment variables for user code.

    Args:
        bruin: The `BRUIN_*` variables.
        scratch: The attempt's private folder. `HOME` and `TMPDIR` are folders in it, which are made here.
        venv: The asset's virtual environment, whose commands come first on `PATH`.
        parent: The worker's own variables, from which an allow-list is taken.
    """
    env = {name: value for name, value in parent.items() if is_allowed(name)}
    env |= {name: _without_login(value) for name, value in parent.items() if name.lower() in _PROXIES}
    for name, folder in (("HOME", scratch / "home"), ("TMPDIR", scratch / "tmp")):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        env[name] = str(folder)
    env["PATH"] = os.pathsep.join([str(venv / "bin"), parent.get("PATH") or os.defpath])
    env["VIRTUAL_ENV"] = str(venv)
    env["PYTHONUNBUFFERED"] = "1"
    return env | dict(bruin)


def is_allowed(name: str) -> bool:
    """Whether user code gets this variable of the worker as it is."""
    return name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)


def _without_login(proxy: str) -> str:
    """Drop user and password from the address of a proxy; `no_proxy`, a list of hosts, has none."""
    if "@" not in proxy:
        return proxy
    if "://" not in proxy:
        return proxy.rpartition("@")[2]
    parts = urlsplit(proxy)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
