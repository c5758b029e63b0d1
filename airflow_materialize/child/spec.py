"""What the worker wants of an asset's process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Spec:
    """What the worker wants, the body of its first message.

    Attributes:
        kind: `materialize`, or `script` for a file without a result.
        file: The absolute path of the asset's script.
        sha256: Of its bytes when the run was planned, hexadecimal.
        search_path: Folders that imports look into first.
        cwd: The working directory.
        output: The file to make; empty for a script.
        context: `data_interval_start` and `data_interval_end` in ISO 8601, or None; the `partition_key`, or None; the
            header's `parameters`.
        columns: The declared columns: `name`, `type`, `sensitive` where it is true, `source` where the result has
            another name for it, `mask` as `method` or `method:parameter` where it has one, `json` where its values
            become JSON texts.
        environment: Variables that hold secrets. They come here so that they stand in no process's first environment.
        queries: Where the worker answers `query()`: the `descriptor` of the socket, and the `connections` that it
            answers for, the asset's own first. Empty where it answers none.
    """

    # No dataclass: see `wire.Message`.
    def __init__(  # noqa: PLR0913  # all that the worker says
        self,
        *,
        kind: str,
        file: str,
        sha256: str,
        search_path: list[str],
        cwd: str,
        output: str = "",
        context: dict[str, Any] | None = None,
        columns: list[dict[str, Any]] | None = None,
        environment: dict[str, str] | None = None,
        queries: dict[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.file = file
        self.sha256 = sha256
        self.search_path = search_path
        self.cwd = cwd
        self.output = output
        self.context = context or {}
        self.columns = columns or []
        self.environment = environment or {}
        self.queries = queries or {}

    @property
    def sensitive(self) -> list[str]:
        """The columns whose values are never shown, by both of their names."""
        hidden = [column for column in self.columns if column.get("sensitive") or column.get("mask")]
        return [column[name] for column in hidden for name in ("name", "source") if column.get(name)]
