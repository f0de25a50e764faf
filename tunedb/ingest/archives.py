"""The files of tar and zip archives, whatever compresses them. What an archive's checksums deny is not believed."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from typing_extensions import override

from tunedb.errors import BadInputError, DamagedError
from tunedb.ingest.containers import Container, LogFile, limited, unpacked
from tunedb.ingest.formats.detect import plain_name
from tunedb.ingest.names import written
from tunedb.ingest.unpack import READ_ERRORS, check_size, reason_of

_BLOCK_BYTES = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s3H16s2H")  # of a zip member: magic, version, flags, method, ..., lengths
_EMPTY_ZIP_BYTES = 22
_IS_ENCRYPTED, _IS_UTF8 = 0x1, 0x800  # flags of a zip member


class _Member(tarfile.TarInfo):
    """A member whose header is believed only if its checksum holds. `tarfile` takes a bad one for the archive's end."""

    @classmethod
    @override
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        state = cast(Any, tarfile_)
        place = state.offset
        try:
            member = super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            state.has_end = True
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            if getattr(state, "has_end", False):
                raise
            raise DamagedError("the archive is cut off", good_bytes=place, is_cut=True) from error
        except tarfile.HeaderError as error:
            is_cut = isinstance(error, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]
            what = "is cut off" if is_cut else f"has a damaged header at byte {place:,} ({error})"
            raise DamagedError(f"the archive {what}", good_bytes=place, is_cut=is_cut) from error
        state.has_end = False
        return member


@dataclass(frozen=True, slots=True)
class Tar(Container):
    """Members of a tar archive, compressed or not, read in one pass. What follows its end is read as one more."""

    uri: str
    path: Path
    limit: int | None = None  # how much of its content is read

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        try:
            yield from self._files(only)
        except READ_ERRORS as error:
            if self.limit is None:
                if isinstance(error, BadInputError):
                    raise
                raise DamagedError(f"the archive cannot be read: {reason_of(error)}") from error

    def _files(self, only: Collection[str] | None) -> Iterator[LogFile]:
        with self.path.open("rb") as raw:
            content = limited(unpacked(raw)[0], self.limit)
            with tarfile.open(fileobj=content, mode="r|", tarinfo=_Member, ignore_zeros=True) as archive:
                try:
                    for member in archive:
                        name = plain_name(member.name)
                        if member.isfile() and (only is None or name in only):
                            uri = f"{written(self.uri)}!{written(member.name)}"
                            yield LogFile(uri, name, _tar_opener(archive, member))
                except tarfile.ReadError as error:  # within a member
                    place = cast(Any, archive.fileobj).pos
                    raise DamagedError("the archive is cut off", good_bytes=place, is_cut=True) from error
            while content.read1(_BLOCK_BYTES):  # the compressed stream's checksum comes last
                pass

    @override
    def up_to(self, good_bytes: int) -> Container:
        return Tar(self.uri, self.path, good_bytes)


def _tar_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        stream = archive.extractfile(member)
        if stream is None:
            raise OSError("not a regular file")
        return cast(BinaryIO, stream)

    return open_member


@dataclass(frozen=True, slots=True)
class Zip(Container):
    """Members of a zip archive."""

    uri: str
    path: Path

    @override
    def files(self, only: Collection[str] | None = None) -> Iterator[LogFile]:
        try:
            with self.path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
                end = raw.seek(0, io.SEEK_END)
                if not archive.infolist() and end > _EMPTY_ZIP_BYTES + len(archive.comment):
                    raise DamagedError("the archive's directory is empty, and the archive is not")
                for member in archive.infolist():
                    _check_directory(raw, member)
                for member in archive.infolist():
                    full = _zip_name(member)
                    name = plain_name(full)
                    if not member.is_dir() and (only is None or name in only):
                        uri = f"{written(self.uri)}!{written(full)}"
                        yield LogFile(uri, name, _zip_opener(archive, member), is_summed=True)
        except BadInputError:
            raise
        except (*READ_ERRORS, struct.error, NotImplementedError) as error:
            raise DamagedError(f"the archive cannot be read: {reason_of(error)}") from error


def _check_directory(raw: BinaryIO, member: zipfile.ZipInfo) -> None:
    """Whether a member's own header says what the archive's directory says: that has no checksum."""
    raw.seek(member.header_offset)
    magic, _, flags, method, _, length, _ = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    name = raw.read(length).decode("utf-8" if flags & _IS_UTF8 else "cp437")
    if (magic, flags, method, name) != (b"PK\3\4", member.flag_bits, member.compress_type, member.orig_filename):
        raise DamagedError(f"the archive's directory does not fit its members ({written(member.filename)})")


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Without the flag for UTF-8 it is of any encoding, and `zipfile` reads it as code page 437."""
    if member.flag_bits & _IS_UTF8:
        return member.filename
    return member.filename.encode("cp437", "replace").decode("utf-8", "surrogateescape")


def _zip_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        if member.flag_bits & _IS_ENCRYPTED:
            raise OSError("it is encrypted")
        check_size(member.file_size, member.compress_size)
        return cast(BinaryIO, archive.open(member))

    return open_member
