"""Where the files of a pipeline are, and where its products go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_materialize.signing import Signer

if TYPE_CHECKING:
    from airflow_materialize.settings import Settings


@dataclass(frozen=True)
class Workplace:
    """Where the files of a pipeline are, and how its connections are found.

    Attributes:
        root: The folder of all pipelines. Paths in definitions and plans are relative to it.
        pipeline: The pipeline's folder, relative to `root`.
        settings: Where environments and staged files are kept.
        connections: URLs that stand in for connection ids.
        secret: What manifests are signed with; where it is empty, a key that is made beside the staged files.
    """

    root: Path
    pipeline: str
    settings: Settings
    connections: Mapping[str, str] = field(default_factory=dict)
    secret: bytes = field(default=b"", repr=False)

    @property
    def folder(self) -> Path:
        """The pipeline's folder: the working directory of its assets."""
        return self.root / self.pipeline

    @property
    def signer(self) -> Signer:
        """Who signs what `run` hands to `load`."""
        return Signer("manifest", self.settings.staged_files, self.secret)

    @property
    def top(self) -> Path:
        """How far up requirements and modules are looked for: a repository that lies within the root, else the root."""
        inside = (folder for folder in (self.folder, *self.folder.parents) if folder.is_relative_to(self.root))
        return next((folder for folder in inside if (folder / ".git").exists()), self.root)
