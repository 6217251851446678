"""What the Projector tab reads: a file of vectors and one of their labels, and a third one that names both."""

import re
from typing import Any

import numpy as np

FILE = "projector_config.pbtxt"


def checked(vectors: Any, labels: Any) -> tuple[np.ndarray, list[str]]:
    """Vectors as an array (rows, dimensions), and as many labels; ValueError where they are something else."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or 0 in vectors.shape or not np.isfinite(vectors).all():
        raise ValueError(f"vectors must be a finite array (rows, dimensions), received shape {vectors.shape}")
    labels = list(labels)
    if len(labels) != len(vectors):
        raise ValueError(f"labels must be one a row, {len(vectors)}; received {len(labels)}")
    return vectors, labels


def tables(vectors: np.ndarray, labels: list[str]) -> tuple[bytes, bytes]:
    """The content of both files."""
    # The tab draws in three dimensions, and takes no fewer.
    vectors = np.pad(vectors, ((0, 0), (0, max(0, 3 - vectors.shape[1]))))
    rows = "".join("\t".join(map("{:.6g}".format, row)) + "\n" for row in vectors.tolist())
    lines = "".join(_one_line(label) + "\n" for label in labels)
    return rows.encode(), lines.encode()


def config(embeddings: dict[str, tuple[str, str]]) -> bytes:
    """The content of the file called `FILE`, of {name: names of both files}."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2

    message = projector_config_pb2.ProjectorConfig()
    for name, (rows, lines) in embeddings.items():
        message.embeddings.add(tensor_name=name, tensor_path=rows, metadata_path=lines)
    return text_format.MessageToString(message).encode()


def read_config(text: str) -> dict[str, tuple[str, str]]:
    """The reverse of `config`."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2

    message = text_format.Parse(text, projector_config_pb2.ProjectorConfig())
    return {one.tensor_name: (one.tensor_path, one.metadata_path) for one in message.embeddings}


def file_names(name: str) -> tuple[str, str]:
    """The names of both files."""
    file = re.sub(r"[^\w.-]+", "_", name)
    return f"{file}.tsv", f"{file}_labels.tsv"


def _one_line(label):
    """A label as the projector can show it: on one line, in one column, and not empty."""
    if not isinstance(label, str):
        raise ValueError(f"labels must be strings, received {label!r}")
    return re.sub(r"[\t\r\n]", " ", label).strip(" ") or "␣" * max(1, len(label))
