"""Event files as bytes: TFRecords of TensorBoard's `Event` messages, written and read without TensorFlow.

A record is a length, its checksum, a message and its checksum. The messages come from TensorBoard's own
`tensorboard.compat.proto`, the checksums from google-crc32c; what is ours is to write at the cost of a small write, and
to read on behind damage.
"""

import os
import re
import struct
from collections.abc import Iterator

import google_crc32c
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2


class BrokenFileError(ValueError):
    """An event file that holds damaged records, breaks off in the middle of one, or cannot be read."""


def read(path: str | os.PathLike) -> Iterator[event_pb2.Event]:
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


def record(event: event_pb2.Event) -> tuple[bytes, ...]:
    """The bytes of an event as a record of a file, in parts to be joined."""
    content = event.SerializeToString()
    length = struct.pack("<Q", len(content))
    return length, _checksum(length), content, _checksum(content)


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


def _checksum(content):
    """CRC32C, masked as TFRecords are so that a record may itself contain records."""
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
