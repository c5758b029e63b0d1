"""The secrets that a header declares: what user code gets, and what no text may show."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_materialize.connections import airflow_variable, find, mask_in_airflow
from airflow_materialize.definition.model.asset import Secret
from airflow_materialize.errors import AssetError, MaterializeError, Problem
from airflow_materialize.execution.connection_json import bruin_text, bruin_type
from airflow_materialize.execution.redaction import SHORTEST_SECRET, common_forms

GENERIC = "generic"
"""The type of a secret that is a text."""

# Words of which one stands in the name of a field that is secret however short it is.
_TELLING = re.compile(r"pass|secret|token|key|credential|auth|private|sign", re.IGNORECASE)

# Fields that are no secret and stand in ordinary text. What has any other name is masked, for a custom field may have
# any name at all.
_OPEN = frozenset(
    (
        *("name", "username", "user", "login", "host", "port", "database", "schema", "conn_type", "type", "path"),
        *(
            "account",
            "region",
            "role",
            "warehouse",
            "catalog",
            "location",
            "profile",
            "driver",
            "http_path",
            "http_port",
        ),
        *("project", "project_id", "region_name", "s3_staging_dir", "query_results_path", "work_group", "method"),
        *("ssl_mode", "sslmode", "secure", "read_only", "service_name", "sid", "timeout", "num_retries", "scope"),
        *("ssl_ca_path", "ssl_cert_path", "ssl_key_path", "service_account_file", "key_path", "private_key_file"),
        *("client_email", "client_id", "auth_uri", "token_uri", "auth_provider_x509_cert_url", "client_x509_cert_url"),
        *("universe_domain", "use_application_default_credentials", "verify", "cursor", "http_scheme", "__version__"),
    )
)
_SHORTEST_UNNAMED = 6
_LOGIN_IN_URL = re.compile(r"://[^/@\s]*?:([^/@\s]+)@")
_DEPTH = 8


@dataclass(frozen=True)
class Secrets:
    """What user code gets.

    Attributes:
        environment: The variables, by the names under which they are injected.
        types: Bruin's name for the type of each.
        values: What no text may show.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    types: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = field(default=(), repr=False)

    def key(self, name: str) -> str:
        """Return the key of a mask: the text of the secret of this name, else the name itself.

        Raises:
            MaterializeError: The secret is a connection, whose text changes with its host.
        """
        if self.types.get(name, GENERIC) != GENERIC:
            hint = "store the key as an Airflow Variable and declare that under `secrets`"
            raise MaterializeError(f"The mask hmac:{name} needs a text, and that secret is a connection", hint=hint)
        return self.environment.get(name, name)


def declared_secrets(
    declared: Iterable[Secret],
    overrides: Mapping[str, str],
    log: logging.Logger,
    problem: Callable[[str, str, str], Problem],
) -> Secrets:
    """Look up what a header declares: connections first, then Airflow's Variables.

    Args:
        declared: From the header.
        overrides: URLs that stand in for connection ids.
        log: Told of a secret that is too short to be masked.
        problem: Makes the problem for a key, with a message and a hint, at the line that declares it.

    Raises:
        AssetError: One is neither a connection nor a variable; with all of these.
        MaterializeError: Airflow's sources do not answer.
    """
    texts: dict[str, str] = {}
    types: dict[str, str] = {}
    missing: list[Problem] = []
    for secret in declared:
        name = secret.inject_as or secret.key
        connection = find(secret.key, overrides)
        text = bruin_text(connection) if connection else airflow_variable(secret.key)
        if text is None:
            hint = f"add a connection or a variable of this name in Airflow, or set AIRFLOW_CONN_{secret.key.upper()}"
            missing.append(problem(secret.key, f"there is no connection and no variable {secret.key!r}", hint))
            continue
        texts[name], types[name] = text, bruin_type(connection) if connection else GENERIC
    if missing:
        raise AssetError(missing)
    values: list[str] = []
    for name, text in texts.items():
        found = [text, *secret_values(text)]
        if any(len(value) < SHORTEST_SECRET for value in found):
            log.warning(
                "the secret %s has a value of less than %d characters, which logs cannot mask", name, SHORTEST_SECRET
            )
        values += found
    distinct = tuple(dict.fromkeys(value for value in values if len(value) >= SHORTEST_SECRET))
    mask_in_airflow(dict.fromkeys(form for value in distinct for form in common_forms(value)))
    if types:
        texts["BRUIN_CONNECTION_TYPES"] = json.dumps(types)
    return Secrets(texts, types, distinct)


def secret_values(text: str) -> Iterator[str]:
    """Yield what is secret within the JSON of a secret: nothing where it is none."""
    content = _content(text)
    if not isinstance(content, dict | list):
        return
    yield from _leaves("", content, _DEPTH)
    if isinstance(content, dict):
        login, password = content.get("username") or content.get("login"), content.get("password")
        if login and password:
            # As HTTP sends them, in base64.
            yield f"{login}:{password}"


def _leaves(name: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else ((name, item) for item in value)
        for below, item in items if depth else ():
            yield from _leaves(str(below), item, depth - 1)
    elif isinstance(value, str):
        yield from (match for match in _LOGIN_IN_URL.findall(value))
        if value and _is_secret(name, value):
            yield value
        # A key file, or an `extra`, as JSON within JSON.
        if value.lstrip().startswith(("{", "[")):
            yield from _leaves(name, _content(value), depth - 1)
    elif isinstance(value, int) and not isinstance(value, bool) and _TELLING.search(name):
        yield str(value)


def _is_secret(name: str, value: str) -> bool:
    field_name = name.rpartition("__")[2] if name.startswith("extra__") else name
    if field_name.lower() in _OPEN:
        return False
    return bool(_TELLING.search(name)) or len(value) >= _SHORTEST_UNNAMED


def _content(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
