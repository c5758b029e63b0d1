"""Where packages come from: the indexes of the setting `index`, else those that the worker's uv or pip are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from airflow_materialize.connections import find, mask_in_airflow
from airflow_materialize.errors import MaterializeError

_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<url>.+)")
_HINT = "name connections whose host is the index's URL, or URLs, as https://packages.example.com/simple"


@dataclass(frozen=True)
class Index:
    """A package index.

    Attributes:
        url: Its address, without a credential.
        login, password: The credential; never shown.
        name: As `[tool.uv.sources]` of an asset may call it.
        default: Whether it is searched last, in the place of the public index.
    """

    url: str
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    name: str = ""
    default: bool = False

    @property
    def address(self) -> str:
        """The URL with the credential."""
        if not self.login and not self.password:
            return self.url
        parts = urlsplit(self.url)
        user = quote(self.login, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))

    @property
    def secret(self) -> str:
        """What must not be shown: the password, or else the login, which then is a token."""
        return self.password or self.login


def index_of_url(text: str, name: str = "") -> Index:
    """Return the index at a URL that may hold a credential.

    Raises:
        ValueError: It is no URL.
    """
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    login, _, password = user.partition(":") if at else ("", "", "")
    return Index(urlunsplit(parts._replace(netloc=host)), unquote(login), unquote(password), name)


def find_indexes(setting: str, env: Mapping[str, str]) -> list[Index]:
    """Return the indexes in the order in which they are searched; empty where nobody names one.

    The first that has a package gives it, whatever versions the others have: nobody can put a package of a private name
    into a public index and have it installed.

    Args:
        setting: The setting `index`.
        env: The worker's environment; counts where the setting is empty.

    Raises:
        MaterializeError: A connection is not defined, or one of the two is no address.
    """
    found = [_of_word(word) for word in setting.split()] if setting else list(_of_worker(env))
    if setting:
        found[-1] = replace(found[-1], default=True)
    mask_in_airflow(index.secret for index in found if index.secret)
    return found


def index_identity(setting: str, env: Mapping[str, str]) -> list[str]:
    """Return what tells one choice of indexes from another: no credential, and no connection is looked up."""
    if not setting:
        return [index.url for index in _of_worker(env)]
    return [_of_word(word).url if "://" in word else word for word in setting.split()]


def _of_word(word: str) -> Index:
    if "://" not in word:
        return _of_connection(word)
    try:
        return index_of_url(word)
    except ValueError:
        # The text is not shown: it may hold a password.
        raise MaterializeError("an index of the setting [materialize] index is no URL", hint=_HINT) from None


def _of_connection(conn_id: str) -> Index:
    connection = find(conn_id)
    if connection is None:
        raise MaterializeError(
            f"the setting [materialize] index names the connection {conn_id!r}, which is not defined", hint=_HINT
        )
    host = connection.host.strip()
    if host and "://" not in host:
        # As it comes from AIRFLOW_CONN_… in the form of a URL.
        port = f":{connection.port}" if connection.port else ""
        host = f"https://{host}{port}/{connection.schema}"
    try:
        index = index_of_url(host)
    except ValueError:
        index = Index("")
    if not urlsplit(index.url).netloc and not index.url.startswith("file:"):
        message = f"the connection {conn_id!r} of the setting [materialize] index has no URL of an index"
        raise MaterializeError(message, hint="its host is the URL, as https://packages.example.com/simple")
    login, password = connection.login or index.login, connection.password or index.password
    return replace(index, login=login, password=password, name=conn_id)


def _of_worker(env: Mapping[str, str]) -> Iterator[Index]:
    """Give what the variables of uv say, else those of pip, which uv does not read and where many images say it."""
    default = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL")
    extra = [*(env.get("UV_INDEX") or "").split(), *(env.get("UV_EXTRA_INDEX_URL") or "").split()]
    if not default:
        default = env.get("PIP_INDEX_URL")
        extra = extra or (env.get("PIP_EXTRA_INDEX_URL") or "").split()
    yield from (_of_variable(text, env) for text in extra)
    if default:
        yield replace(_of_variable(default, env), default=True)


def _of_variable(text: str, env: Mapping[str, str]) -> Index:
    named = _NAMED.fullmatch(text)
    name, url = (named["name"], named["url"]) if named and "://" not in named["name"] else ("", text)
    try:
        index = index_of_url(url, name)
    except ValueError:
        raise MaterializeError("a variable of the worker names an index that is no URL", hint=_HINT) from None
    prefix = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}" if name else "-"
    login, password = env.get(f"{prefix}_USERNAME", index.login), env.get(f"{prefix}_PASSWORD", index.password)
    return replace(index, login=login, password=password)


def secrets_of(indexes: Iterable[Index]) -> list[str]:
    """Return what must not be shown of these."""
    return [index.secret for index in indexes if index.secret]
