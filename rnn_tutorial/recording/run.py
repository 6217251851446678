"""A run of TensorBoard, written without TensorFlow: numbers, histograms, pictures, texts, arrays and files."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import socket
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2

from rnn_tutorial import _checks, _console
from rnn_tutorial.recording import events, folders, histograms, locks, messages, projector, schema

_file_numbers = itertools.count()


@dataclasses.dataclass
class _Fate:
    """Whether something can be written to a run; its parts have the same."""

    gave_up: bool = False
    is_closed: bool = False
    process: int = dataclasses.field(default_factory=os.getpid)

    @property
    def is_broken(self):
        # A child made by a fork has a copy of all that is pending; it must write none of it.
        return self.gave_up or self.is_closed or self.process != os.getpid()


class Run:
    """One run of TensorBoard: one folder with one event file.

    What is written is kept in memory until `flush`, which hands it to the operating system in one piece: from then on
    it can be read, even if the process is killed. A folder that cannot be written and a disk that is full give one
    warning; after that the run drops what it is given, and the file ends with its last whole record.

    Example:
    >>> with Run("logs/by_hand") as run:
    ...     run.scalar("loss", 0.5, step=0)
    ...     run.histogram("weights/cell/kernel", kernel, step=0)

    A child made by a fork writes nothing to the run of its parent.

    Args:
        log_dir: Folder of the run. Where an event file of ours is in it already, the run goes to `<log_dir>_2`, `_3`,
            ... and says so in one line.
        obstacle: Function from a folder to why a run may not go there, in words; "" where it may. None forbids folders
            with an event file of ours.

    Attributes:
        log_dir: The folder that was taken, a `pathlib.Path`.
        path: The event file, an absolute `pathlib.Path`; None where there is none.
        steps: {tag: the largest step at which something was written for it}.
        parts: {name: `Run` in the subfolder of that name}, see `part`.
        goes_on: True where the run was closed and is open again, so that it may hold something of every tag.
        has_graph: True where it holds a graph.
        listeners: Functions (kind, tag, step, value) that are told of every number, table of a histogram and array that
            is written, and of every blob sequence of this package's plugin; kind is "scalars", "histograms", "tensors"
            or "blobs". Before an array or blob sequence of this package's plugin: "metadata", with the bytes that come
            with it.
    """

    def __init__(self, log_dir: str | os.PathLike, obstacle: Callable[[pathlib.Path], str] | None = None):
        self._prepare(log_dir, _Fate())
        self._create(obstacle or folders.holds_run)

    def _prepare(self, log_dir, fate):
        self.log_dir = pathlib.Path(log_dir)
        self.path: Any = None
        self.parts: dict[str, Run] = {}
        self.goes_on = self.has_graph = False
        self.listeners: list[Any] = []
        self._fate = fate
        self._kinds = {}  # tag -> (plugin name, data class)
        self.steps: dict[str, int] = {}
        self._embeddings = {}  # name -> names of its files
        self._pending = []
        self._written = 0
        self._close: Any = None

    def _create(self, obstacle):
        asked = self.log_dir
        try:
            with folders.claimed(asked, obstacle) as (self.log_dir, folder):
                stamp = f"{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_file_numbers)}"
                path = folder / f"events.out.tfevents.{stamp}{folders.SUFFIX}"
                self._hold(path, os.O_CREAT | os.O_EXCL)
                self._add(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
                self.flush()
        except Exception as error:
            self.give_up(error)
            return
        if self.log_dir != asked:
            _console.tell(f"{asked} {obstacle(asked) or 'holds a run already'}; this one goes to {self.log_dir}")

    def _hold(self, path, flags):
        """Open the event file, and keep others from going on with it meanwhile."""
        flags |= os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path, flags, 0o666)
        self._close = weakref.finalize(self, _let_go, self._descriptor, os.getpid())
        self._close.atexit = False  # At the end of a program others may still have something to write.
        self.path = path
        return locks.take(self._descriptor) is not False

    @classmethod
    def closed(cls, log_dir: str | os.PathLike) -> "Run":
        """Return the run that is in a folder, as if it had just been closed: `go_on` opens it.

        Raises:
            ValueError: There is not one event file of ours alone, or it does not end with a whole record.
            OSError: It cannot be read.
        """
        run = cls.__new__(cls)
        run._prepare(log_dir, _Fate(is_closed=True))
        run._read()
        for name in schema.PARTS:
            if any((run.log_dir / name).glob("*tfevents*")):
                part = run.parts[name] = cls.__new__(cls)
                part._prepare(run.log_dir / name, run._fate)
                part._read()
        return run

    def _read(self):
        """Find out what the event file holds, to go on with it."""
        paths = list(self.log_dir.absolute().glob("*tfevents*"))
        if len(paths) != 1 or not paths[0].name.endswith(folders.SUFFIX):
            raise ValueError(f"log_dir must hold one event file of this package alone, received {str(self.log_dir)!r}")
        (self.path,) = paths
        self._written = self.path.stat().st_size
        for event in events.read(self.path):
            self.has_graph |= bool(event.graph_def)
            for value in event.summary.value:
                metadata = value.metadata
                self._kinds.setdefault(value.tag, (metadata.plugin_data.plugin_name, metadata.data_class))
                self.steps[value.tag] = max(event.step, self.steps.get(value.tag, -1))
        config = self.path.with_name(projector.FILE)
        if config.exists():
            self._embeddings = projector.read_config(config.read_text())

    def go_on(self) -> bool:
        """Open a closed run again, to write behind what it holds.

        Returns:
            Whether that could be done: not where the run is still open, has given up, or belongs to the parent of this
            process, and not where its files are gone or somebody else has written, or is writing, to them.
        """
        if not self._fate.is_closed or self._fate.gave_up or self._fate.process != os.getpid():
            return False
        runs = [self, *self.parts.values()]
        try:
            is_ours = all(run._hold(run.path, 0) and run.path.stat().st_size == run._written for run in runs)
        except OSError:
            is_ours = False
        if not is_ours:
            for run in runs:
                run._release()
            return False
        self._fate.is_closed = False
        self.goes_on = True
        return True

    def part(self, name: str) -> "Run":
        """Return the run in a subfolder of this one, and make it where there is none yet.

        It is flushed and closed, goes on and gives up together with this one.
        """
        if name not in self.parts:
            part = self.parts[name] = Run.__new__(Run)
            part._prepare(self.path.with_name(name), self._fate)
            part._create(folders.holds_run)
        return self.parts[name]

    @property
    def broken(self) -> bool:
        """True where nothing can be written, or nothing any more."""
        return self._fate.is_broken

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception):
        self.close()

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Write one number, shown in Time Series and Scalars."""
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "biuf":
            raise ValueError(f"value must be one number, received {value!r}")
        with np.errstate(over="ignore"):  # beyond float32 is infinite to TensorBoard
            tensor = messages.tensor(np.float32(value))
        self._value(tag, step, tensor, "scalars", summary_pb2.DATA_CLASS_SCALAR)
        self._tell("scalars", tag, step, float(value))

    def histogram(self, tag: str, values: Any, step: int) -> int:
        """Write the distribution of an array of any shape, shown in Histograms and Distributions.

        Returns:
            The number of values left out because they are NaN or infinite.
        """
        table, nonfinite = histograms.count(values)
        self._value(tag, step, messages.tensor(table), "histograms", summary_pb2.DATA_CLASS_TENSOR)
        self._tell("histograms", tag, step, table)
        return nonfinite

    def image(self, tag: str, png: bytes, step: int) -> None:
        """Write one picture, shown in Images.

        Args:
            tag: Name of the series of pictures.
            png: The picture as the bytes of a PNG file, see `drawing.png`.
            step: Epoch.

        Raises:
            ValueError: The bytes are not a PNG file.
        """
        self._value(tag, step, messages.image(png), "images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Write a text in Markdown, shown in Text."""
        self._value(tag, step, messages.text(markdown), "text", summary_pb2.DATA_CLASS_TENSOR)

    def hparams(self, values: dict[str, Any], metrics: Iterable[str] = ()) -> None:
        """Write the hyperparameters of this run, shown in HParams, a row a run.

        The columns are what all runs below TensorBoard's folder were made with, and all scalars of those runs.

        Example:
        >>> run.hparams({"cell": "lstm", "units": 32})

        Args:
            values: {name: str, number or bool}, all that this run was made with.
            metrics: Without effect, for programs that name the scalars to be shown. TensorBoard takes such a list from
                one run alone and then hides the hyperparameters and scalars of all runs that have others.

        Raises:
            ValueError: Values are none, or one of them is of another kind.
        """
        content = messages.hparams(values)
        nothing = messages.tensor(np.zeros(0, "float32"))
        self._value("_hparams_/session_start_info", 0, nothing, "hparams", summary_pb2.DATA_CLASS_TENSOR, content)

    def embedding(self, name: str, vectors: Any, labels: Iterable[str]) -> None:
        """Write vectors with a label each, shown in Projector; a name used before gets the new ones.

        Args:
            name: Name of the vectors in the tab.
            vectors: Array (rows, dimensions), finite.
            labels: One string a row.

        Raises:
            ValueError: The vectors are not such an array, or there are not as many labels.
        """
        vectors, labels = projector.checked(vectors, labels)
        if self.broken:
            return
        names = projector.file_names(name)
        for file, content in zip(names, projector.tables(vectors, labels), strict=True):
            self.save(file, content)
        self._embeddings[name] = names
        self.save(projector.FILE, projector.config(self._embeddings))

    def graph(self, definition: bytes) -> None:
        """Write the run's graph, the bytes of a `GraphDef`, shown in Graphs; see `structure.graph`."""
        self._add(event_pb2.Event(wall_time=time.time(), graph_def=definition))
        self.has_graph = True

    def tensor(self, tag: str, array: Any, step: int, plugin: str, content: bytes = b"") -> None:
        """Write an array for a plugin of TensorBoard.

        Args:
            tag: Name of the series of arrays.
            array: float16, float32, float64, int32 or int64 of any shape; NaN and infinities are kept.
            step: Epoch.
            plugin: Name of the plugin that reads it.
            content: Bytes for the plugin, constant for the tag: only those of its first event count.
        """
        self._value(tag, step, messages.tensor(array), plugin, summary_pb2.DATA_CLASS_TENSOR, content)
        self._tell("tensors", tag, step, array, plugin, content)

    def blobs(self, tag: str, blobs: list[bytes], step: int, plugin: str, content: bytes = b"") -> None:
        """Write a sequence of byte strings for a plugin of TensorBoard; arguments as `tensor`."""
        self._value(tag, step, messages.strings(blobs), plugin, summary_pb2.DATA_CLASS_BLOB_SEQUENCE, content)
        self._tell("blobs", tag, step, blobs, plugin, content)

    def save(self, name: str, content: bytes) -> pathlib.Path | None:
        """Write bytes to a file beside the event file, all of it or nothing.

        Returns:
            The path, or None where nothing can be written.
        """
        if self.broken:
            return None
        path = self.path.with_name(name)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            self.give_up(error)
            return None
        return path

    def flush(self) -> None:
        """Hand everything written so far to the operating system; from now on it can be read."""
        for part in self.parts.values():
            part.flush()
        content = memoryview(b"".join(self._pending))
        self._pending.clear()
        if self.broken or not content:
            return
        size = len(content)
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            # Half a record would spoil all that a reader finds after it.
            with contextlib.suppress(OSError):
                os.truncate(self._descriptor, self._written)
            self.give_up(error)
            return
        self._written += size

    def close(self) -> None:
        """Flush and close the files. Closing twice does no harm."""
        self.flush()
        self._fate.is_closed = True
        for run in (self, *self.parts.values()):
            run._release()

    def _release(self):
        if self._close is not None:
            self._close()

    def give_up(self, error: Exception) -> None:
        """Drop what comes from now on, and say once that nothing can be written any more.

        Args:
            error: The exception that says so.
        """
        if self.broken:
            return
        self._fate.gave_up = True
        reason = getattr(error, "strerror", None) or error
        _console.warn(f"nothing more is logged to {self.log_dir}: {reason}. What is running goes on.", stacklevel=4)

    def _tell(self, kind, tag, step, value, plugin="", content=b""):
        is_ours = plugin == schema.PLUGIN
        if kind == "blobs" and not is_ours:
            return  # What is in them only those know who write them.
        for listener in self.listeners:
            if is_ours and content:
                listener("metadata", tag, step, content)
            listener(kind, tag, step, value)

    def _value(self, tag, step, tensor, plugin, data_class, content=b""):
        if not isinstance(tag, str):
            raise ValueError(f"tag must be a string, received {tag!r}")
        step = _checks.integer("step", step, at_least=0)
        value = summary_pb2.Summary.Value(tag=tag, tensor=tensor)
        kind = (plugin, data_class)
        if self._kinds.get(tag, kind) != kind:
            # TensorBoard would show neither.
            raise ValueError(
                f"tag {tag!r} holds data of {self._kinds[tag][0]}, it cannot hold another kind ({plugin}) too"
            )
        self.steps[tag] = max(step, self.steps.get(tag, -1))
        if tag not in self._kinds:
            # Only a tag's first metadata counts, so the later events do without.
            self._kinds[tag] = kind
            value.metadata.data_class = data_class
            value.metadata.plugin_data.plugin_name = plugin
            value.metadata.plugin_data.content = content
        self._add(event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=[value])))

    def _add(self, event):
        if self._fate.is_closed:
            raise ValueError(f"the run in {self.log_dir} is closed; nothing can be written to it any more")
        if self.broken:
            return
        self._pending += events.record(event)


def _let_go(descriptor, process):
    """Close an event file."""
    if process == os.getpid():
        locks.release(descriptor)
    os.close(descriptor)
