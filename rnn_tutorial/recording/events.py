"""Event files: bytes for TensorBoard, written without TensorFlow.

An event file is a sequence of TFRecords, each holding one `Event` message. The messages come from TensorBoard's own
`tensorboard.compat.proto`, the checksums from google-crc32c; what is ours is to do both at the cost of a small write.
"""

import contextlib
import dataclasses
import itertools
import math
import os
import pathlib
import re
import socket
import struct
import sys
import time
import weakref
from typing import Any

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

from rnn_tutorial import _checks, _console
from rnn_tutorial.recording import locks

# Marks event files as ours: TensorBoard asks only that "tfevents" stands somewhere in the name.
SUFFIX = ".rnn_tutorial"
# Subfolders of a run, for the scalars of training and of validation; Keras' TensorBoard callback has the same.
PARTS = ("train", "validation")
# As tf.summary.histogram.
BUCKETS = 30
_DTYPES = {
    np.dtype("float16"): types_pb2.DT_HALF,
    np.dtype("float32"): types_pb2.DT_FLOAT,
    np.dtype("float64"): types_pb2.DT_DOUBLE,
    np.dtype("int32"): types_pb2.DT_INT32,
    np.dtype("int64"): types_pb2.DT_INT64,
}
_PROJECTOR = "projector_config.pbtxt"
_file_numbers = itertools.count()


def is_taken(log_dir):
    """Whether a folder holds an event file written by this package, with an event in it."""
    return any(map(holds_event, pathlib.Path(log_dir).glob(f"*tfevents*{SUFFIX}")))


def holds_event(path):
    """Whether a file holds at least one whole event. One that may not be opened is taken for one that does."""
    path = pathlib.Path(path)
    try:
        return path.is_file() and (not os.access(path, os.R_OK) or next(read(path), None) is not None)
    except BrokenFileError:
        return False


class BrokenFileError(ValueError):
    """An event file that holds damaged records, breaks off in the middle of one, or cannot be read."""


def read(path):
    """Read the events of a file, without TensorFlow.

    TensorBoard's own reader imports TensorFlow where there is one, and stops silently at a damaged record.

    Args:
        path: Path of an event file.

    Yields:
        TensorBoard's `Event` messages. A damaged record costs itself only.

    Raises:
        BrokenFileError: After the last event that can be read, where records were damaged or something else follows;
            at once where there is no file that can be read.
    """
    if not os.path.isfile(path):  # Opening a pipe would wait for somebody who writes to it.
        raise BrokenFileError(f"{path} is no file")
    whole = damaged = 0
    try:
        with open(path, "rb") as file:
            while head := file.read(12):
                start = file.tell() - len(head)
                content = _content(file, head)
                event = None if content is None else _event(content, file.read(4))
                if event is not None:
                    whole += 1
                    yield event
                    continue
                damaged += 1
                # Was it the content that was damaged, or the length?
                if (content is None or not _at_record(file)) and not _seek_record(file, start + 1):
                    raise BrokenFileError(f"{path} breaks off after {whole} whole records; they were read")
    except OSError as error:
        raise BrokenFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if damaged:
        raise BrokenFileError(f"{path} holds {damaged} damaged and {whole} whole records; the whole ones were read")


def _is_head(head):
    """Whether a record begins with these 12 bytes, its length and the checksum of that."""
    return len(head) == 12 and head[8:] == _checksum(head[:8])


def _at_record(file):
    """Whether a record begins where the file is read, or the file ends there."""
    head = file.read(12)
    file.seek(-len(head), os.SEEK_CUR)
    return not head or _is_head(head)


def _content(file, head):
    """The content of the record that begins with `head`; None where the file has no such record."""
    if not _is_head(head):
        return None
    (length,) = struct.unpack("<Q", head[:8])
    # Also a length with the right checksum may be more than there is memory.
    left = os.fstat(file.fileno()).st_size - file.tell()
    return file.read(length) if length <= left - 4 else None


# A length below 4 GB, and not 0: nothing else is worth a checksum.
_LENGTH = re.compile(rb"(?=(?!\0{4}).{4}\0{4})", re.DOTALL)


def _seek_record(file, start, chunk=1 << 20):
    """Go to the first place from `start` on where a record may begin; returns whether there is one."""
    size = os.fstat(file.fileno()).st_size
    for begin in range(start, size, chunk):
        file.seek(begin)
        data = file.read(chunk + 11)
        for match in _LENGTH.finditer(data):
            place = match.start()
            head = data[place : place + 12]
            if _is_head(head) and begin + place + 16 + int.from_bytes(head[:8], "little") <= size:
                file.seek(begin + place)
                return True
    return False


def _event(content, checksum):
    """The event that a record holds; None where the record is damaged."""
    if checksum != _checksum(content):
        return None
    try:
        return event_pb2.Event.FromString(content)
    except (DecodeError, ValueError):  # ValueError: text that is no UTF-8, to protobuf in pure Python
        return None


def _candidates(log_dir):
    """`log_dir`, `<log_dir>_2`, `<log_dir>_3`, ... in the order in which a run asks for them.

    TensorBoard follows only the newest event file of a folder, so two runs in one folder would hide each other.
    """
    log_dir = pathlib.Path(log_dir)
    yield log_dir
    if log_dir.name in ("", ".."):  # Nothing that a number could be put behind.
        log_dir = log_dir.resolve()
    for number in itertools.count(2):
        yield pathlib.Path(f"{log_dir}_{number}")


@contextlib.contextmanager
def _claimed(log_dir, obstacle):
    """Hold the first free folder while its event file is made, so that of two who ask at once only one gets it.

    Args:
        log_dir: The folder that is asked for.
        obstacle: Function from a folder to why it is not free, in words; "" where it is.

    Yields:
        The folder, and the same as an absolute path: the program may change its folder while it runs.
    """
    for folder in _candidates(log_dir):
        if obstacle(folder):
            continue
        absolute = folder.absolute()
        absolute.mkdir(parents=True, exist_ok=True)
        with locks.held(absolute / ".claimed") as is_held:
            # Whoever else holds it is just making the file that will take the folder, or has made it by now.
            if is_held and not obstacle(folder):
                # A program that died before its first event leaves a file that would hide ours.
                for left in absolute.glob(f"*tfevents*{SUFFIX}"):
                    if left.is_file() and not holds_event(left):
                        left.unlink()
                yield folder, absolute
                return


def _holds_run(folder):
    return "holds a run already" if is_taken(folder) else ""


def histogram_buckets(values, buckets=BUCKETS):
    """Count values in buckets of equal width, as `tf.summary.histogram` does.

    Args:
        values: Array of any shape. NaN and infinities are left out and counted.
        buckets: Number of buckets.

    Returns:
        The buckets, float64 (buckets, 3) with rows left edge, right edge, count; and the number of values left out.
        Without any finite value all rows are zero; where all values are equal, every edge is that value and the last
        bucket holds the count.
    """
    values = np.asarray(values).ravel().astype(np.float64)
    table = np.zeros((buckets, 3))
    if values.size == 0:
        return table, 0
    low, high = values.min(), values.max()
    nonfinite = 0
    if not (math.isfinite(low) and math.isfinite(high)):  # One NaN makes both NaN.
        finite = values[np.isfinite(values)]
        nonfinite = values.size - finite.size
        if finite.size == 0:
            return table, nonfinite
        values, low, high = finite, finite.min(), finite.max()
    if high / 2 - low / 2 > sys.float_info.max / 8:
        # The range, or a step on the way to it, is beyond float64: count at a quarter of the size, and give the edges
        # back at full size.
        table, _ = histogram_buckets(values / 4, buckets)
        table[:, :2] *= 4
        return table, nonfinite
    width = (high - low) / buckets
    if width == 0:  # Also where the range is so small that no float64 lies between two edges.
        table[:, :2] = low
        table[-1, 2] = values.size
        return table, nonfinite
    values -= low
    values /= width
    counts = np.bincount(values.astype(np.intp), minlength=buckets)
    # The largest value lies on the last edge and belongs into the last bucket.
    counts[buckets - 1] += counts[buckets:].sum()
    edges = np.linspace(low, high, buckets + 1)
    table[:, 0], table[:, 1], table[:, 2] = edges[:-1], edges[1:], counts[:buckets]
    return table, nonfinite


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
        listeners: Functions (kind, tag, step, value) that are told of every number, table of a histogram, array and
            blob
            sequence that is written; kind is "scalars", "histograms", "tensors" or "blobs".
    """

    def __init__(self, log_dir, obstacle=None):
        self._prepare(log_dir, _Fate())
        self._create(obstacle or _holds_run)

    def _prepare(self, log_dir, fate):
        self.log_dir = pathlib.Path(log_dir)
        self.path: Any = None
        self.parts: dict[str, Run] = {}
        self.goes_on = self.has_graph = False
        self.listeners: list[Any] = []
        self._fate = fate
        self._kinds = {}  # tag -> (plugin name, data class)
        self.steps: dict[str, int] = {}
        self._embeddings = {}  # name -> name of its files
        self._pending = []
        self._written = 0
        self._close: Any = None

    def _create(self, obstacle):
        asked = self.log_dir
        try:
            with _claimed(asked, obstacle) as (self.log_dir, folder):
                stamp = f"{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_file_numbers)}"
                path = folder / f"events.out.tfevents.{stamp}{SUFFIX}"
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
    def closed(cls, log_dir):
        """Return the run that is in a folder, as if it had just been closed: `go_on` opens it.

        Raises:
            ValueError: There is not one event file of ours alone, or it does not end with a whole record.
            OSError: It cannot be read.
        """
        run = cls.__new__(cls)
        run._prepare(log_dir, _Fate(is_closed=True))
        run._read()
        for name in PARTS:
            if any((run.log_dir / name).glob("*tfevents*")):
                part = run.parts[name] = cls.__new__(cls)
                part._prepare(run.log_dir / name, run._fate)
                part._read()
        return run

    def _read(self):
        """Find out what the event file holds, to go on with it."""
        paths = list(self.log_dir.absolute().glob("*tfevents*"))
        if len(paths) != 1 or not paths[0].name.endswith(SUFFIX):
            raise ValueError(f"log_dir must hold one event file of this package alone, received {str(self.log_dir)!r}")
        (self.path,) = paths
        self._written = self.path.stat().st_size
        for event in read(self.path):
            self.has_graph |= bool(event.graph_def)
            for value in event.summary.value:
                metadata = value.metadata
                self._kinds.setdefault(value.tag, (metadata.plugin_data.plugin_name, metadata.data_class))
                self.steps[value.tag] = max(event.step, self.steps.get(value.tag, -1))
        config = self.path.with_name(_PROJECTOR)
        if config.exists():
            from google.protobuf import text_format
            from tensorboard.plugins.projector import projector_config_pb2

            there = text_format.Parse(config.read_text(), projector_config_pb2.ProjectorConfig())
            self._embeddings = {one.tensor_name: one.tensor_path.removesuffix(".tsv") for one in there.embeddings}

    def go_on(self):
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

    def part(self, name):
        """Return the run in a subfolder of this one, and make it where there is none yet.

        It is flushed and closed, goes on and gives up together with this one.
        """
        if name not in self.parts:
            part = self.parts[name] = Run.__new__(Run)
            part._prepare(self.path.with_name(name), self._fate)
            part._create(_holds_run)
        return self.parts[name]

    @property
    def broken(self):
        """True where nothing can be written, or nothing any more."""
        return self._fate.is_broken

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def scalar(self, tag, value, step):
        """Write one number, shown in Time Series and Scalars."""
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "biuf":
            raise ValueError(f"value must be one number, received {value!r}")
        with np.errstate(over="ignore"):  # beyond float32 is infinite to TensorBoard
            tensor = _tensor(np.float32(value))
        self._value(tag, step, tensor, "scalars", summary_pb2.DATA_CLASS_SCALAR)
        self._tell("scalars", tag, step, float(value))

    def histogram(self, tag, values, step):
        """Write the distribution of an array of any shape, shown in Histograms and Distributions.

        Returns:
            The number of values left out because they are NaN or infinite.
        """
        table, nonfinite = histogram_buckets(values)
        self._value(tag, step, _tensor(table), "histograms", summary_pb2.DATA_CLASS_TENSOR)
        self._tell("histograms", tag, step, table)
        return nonfinite

    def image(self, tag, png, step):
        """Write one picture, shown in Images.

        Args:
            tag: Name of the series of pictures.
            png: The picture as the bytes of a PNG file, see `drawing.png`.
            step: Epoch.

        Raises:
            ValueError: The bytes are not a PNG file.
        """
        if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
            raise ValueError(f"png must be the bytes of a PNG file, received {len(png)} bytes, {bytes(png[:8])!r}...")
        width, height = struct.unpack(">II", png[16:24])
        tensor = _strings([str(width).encode(), str(height).encode(), png])
        self._value(tag, step, tensor, "images", summary_pb2.DATA_CLASS_BLOB_SEQUENCE)

    def text(self, tag, markdown, step):
        """Write a text in Markdown, shown in Text."""
        if not isinstance(markdown, str):
            raise ValueError(f"markdown must be a string, received {markdown!r}")
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[markdown.encode()])
        self._value(tag, step, tensor, "text", summary_pb2.DATA_CLASS_TENSOR)

    def hparams(self, values, metrics=()):
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
        if not isinstance(values, dict) or not values:
            raise ValueError(f"values must be a dictionary of names and values, received {values!r}")
        # It stays away from TensorFlow, as long as nothing else of that package is imported.
        from tensorboard.plugins.hparams import plugin_data_pb2

        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in values.items():
            _hparam(start.hparams[str(name)], name, value)
        # No `Experiment` beside it: TensorBoard would take that of one run for all of them.
        content = plugin_data_pb2.HParamsPluginData(session_start_info=start).SerializeToString()
        nothing = _tensor(np.zeros(0, "float32"))
        self._value("_hparams_/session_start_info", 0, nothing, "hparams", summary_pb2.DATA_CLASS_TENSOR, content)

    def embedding(self, name, vectors, labels):
        """Write vectors with a label each, shown in Projector; a name used before gets the new ones.

        Args:
            name: Name of the vectors in the tab.
            vectors: Array (rows, dimensions), finite.
            labels: One string a row.

        Raises:
            ValueError: The vectors are not such an array, or there are not as many labels.
        """
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or 0 in vectors.shape or not np.isfinite(vectors).all():
            raise ValueError(f"vectors must be a finite array (rows, dimensions), received shape {vectors.shape}")
        labels = list(labels)
        if len(labels) != len(vectors):
            raise ValueError(f"labels must be one a row, {len(vectors)}; received {len(labels)}")
        if self.broken:
            return
        from google.protobuf import text_format
        from tensorboard.plugins.projector import projector_config_pb2

        # The tab draws in three dimensions, and takes no fewer.
        vectors = np.pad(vectors, ((0, 0), (0, max(0, 3 - vectors.shape[1]))))
        file = re.sub(r"[^\w.-]+", "_", name)
        rows = "".join("\t".join(map("{:.6g}".format, row)) + "\n" for row in vectors.tolist())
        lines = "".join(_one_line(label) + "\n" for label in labels)
        self.save(f"{file}.tsv", rows.encode())
        self.save(f"{file}_labels.tsv", lines.encode())
        self._embeddings[name] = file
        config = projector_config_pb2.ProjectorConfig()
        for name, file in self._embeddings.items():
            config.embeddings.add(tensor_name=name, tensor_path=f"{file}.tsv", metadata_path=f"{file}_labels.tsv")
        self.save(_PROJECTOR, text_format.MessageToString(config).encode())

    def graph(self, definition):
        """Write the run's graph, the bytes of a `GraphDef`, shown in Graphs; see `structure.graph`."""
        self._add(event_pb2.Event(wall_time=time.time(), graph_def=definition))
        self.has_graph = True

    def tensor(self, tag, array, step, plugin, content=b""):
        """Write an array for a plugin of TensorBoard.

        Args:
            tag: Name of the series of arrays.
            array: float16, float32, float64, int32 or int64 of any shape; NaN and infinities are kept.
            step: Epoch.
            plugin: Name of the plugin that reads it.
            content: Bytes for the plugin, constant for the tag: only those of its first event count.
        """
        self._value(tag, step, _tensor(array), plugin, summary_pb2.DATA_CLASS_TENSOR, content)
        self._tell("tensors", tag, step, array)

    def blobs(self, tag, blobs, step, plugin, content=b""):
        """Write a sequence of byte strings for a plugin of TensorBoard; arguments as `tensor`."""
        self._value(tag, step, _strings(blobs), plugin, summary_pb2.DATA_CLASS_BLOB_SEQUENCE, content)
        self._tell("blobs", tag, step, blobs)

    def save(self, name, content):
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

    def flush(self):
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

    def close(self):
        """Flush and close the files. Closing twice does no harm."""
        self.flush()
        self._fate.is_closed = True
        for run in (self, *self.parts.values()):
            run._release()

    def _release(self):
        if self._close is not None:
            self._close()

    def give_up(self, error):
        """Drop what comes from now on, and say once that nothing can be written any more.

        Args:
            error: The exception that says so.
        """
        if self.broken:
            return
        self._fate.gave_up = True
        reason = getattr(error, "strerror", None) or error
        _console.warn(f"nothing more is logged to {self.log_dir}: {reason}. What is running goes on.", stacklevel=4)

    def _tell(self, kind, tag, step, value):
        for listener in self.listeners:
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
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        self._pending += (length, _checksum(length), content, _checksum(content))


def _let_go(descriptor, process):
    """Close an event file."""
    if process == os.getpid():
        locks.release(descriptor)
    os.close(descriptor)


def _checksum(content):
    """CRC32C, masked as TFRecords are so that a record may itself contain records."""
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _tensor(array):
    array = np.asarray(array)
    if array.dtype not in _DTYPES:
        allowed = ", ".join(str(dtype) for dtype in _DTYPES)
        raise ValueError(f"array must have one of the dtypes {allowed}, received {array.dtype}")
    message = tensor_pb2.TensorProto(dtype=_DTYPES[array.dtype], tensor_content=array.tobytes())
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    return message


def _hparam(message, name, value):
    """Put a value into a `google.protobuf.Value`."""
    if isinstance(value, (bool, np.bool_)):
        message.bool_value = bool(value)
    elif isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value):
        message.number_value = float(value)
    elif isinstance(value, str):
        message.string_value = value
    else:
        raise ValueError(f"values[{name!r}] must be a string, a finite number or True or False, received {value!r}")


def _one_line(label):
    """A label as the projector can show it: on one line, in one column, and not empty."""
    if not isinstance(label, str):
        raise ValueError(f"labels must be strings, received {label!r}")
    return re.sub(r"[\t\r\n]", " ", label).strip(" ") or "␣" * max(1, len(label))


def _strings(values):
    message = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=values)
    message.tensor_shape.dim.add(size=len(values))
    return message
