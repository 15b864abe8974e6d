"""kgraph: a knowledge graph of what qualitative studies and papers say, tied to the sentences it rests on.

import kgraph
graph = kgraph.open("my-workspace")
for row in graph.ask("quotations-of-concept", concept="reciprocity"):
    print(row["text"])
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgraph.snapshot import Snapshot

__version__ = "0.1.0"


def open(folder: str = ".") -> "Snapshot":
    """The published snapshot of the workspace in or around `folder`. Raises `KgraphError` when nothing is published."""
    from kgraph.snapshot import open_published
    from kgraph.workspace import find_workspace

    return open_published(find_workspace(folder))
