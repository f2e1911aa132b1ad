"""The 46 calls of `wasi_snapshot_preview1`, and how the binding of a guest hands on what each takes.

The order is the order of the stub's table, and the number of a call is `FIRST_OPERATION` and its place.
"""

from dataclasses import dataclass
from typing import Final

from ipvm.wasm import I32, I64, FuncType, ValType

__all__ = ["FIRST_OPERATION", "WASI_CALLS", "WASI_MODULE", "WasiCall"]

WASI_MODULE: Final = "wasi_snapshot_preview1"
FIRST_OPERATION: Final = 64
"""Operations below are those of the other host calls."""

_WIDTHS: Final[dict[str, tuple[ValType, ...]]] = {
    "i32": (I32,),
    "i64": (I64,),
    "path": (I32, I32),
    "gather": (I32, I32),
    "scatter": (I32, I32),
    "room": (I32, I32),
    "chance": (I32, I32),
    "strings": (I32, I32),
    "poll": (I32, I32, I32),
    "count": (I32,),
    "out4": (I32,),
    "out8": (I32,),
    "out24": (I32,),
    "out64": (I32,),
}


@dataclass(frozen=True, slots=True)
class WasiCall:
    """One call.

    Attributes:
        name: By which a guest imports it.
        takes: What its parameters are, in order: a number (`i32`, `i64`); a `path`, whose bytes go
            to the host; buffers to `gather` bytes from or `scatter` them to; `room` for bytes; a
            pointer that the `count` of these bytes is written to; and pointers that parts of the
            answer are written to (`out4` and so on).
    """

    name: str
    takes: tuple[str, ...]

    @property
    def module(self) -> str:
        """The import module of all of them."""
        return WASI_MODULE

    @property
    def type(self) -> FuncType:
        """The wasm type."""
        params = tuple([width for kind in self.takes for width in _WIDTHS[kind]])
        return FuncType(params=params, results=() if self.name == "proc_exit" else (I32,))


def _calls(text: str) -> tuple[WasiCall, ...]:
    rows = [line.split() for line in text.strip().splitlines()]
    return tuple([WasiCall(row[0], tuple(row[1:])) for row in rows])


WASI_CALLS: Final = _calls("""
args_get strings
args_sizes_get out4 out4
clock_res_get i32 out8
clock_time_get i32 i64 out8
environ_get strings
environ_sizes_get out4 out4
fd_advise i32 i64 i64 i32
fd_allocate i32 i64 i64
fd_close i32
fd_datasync i32
fd_fdstat_get i32 out24
fd_fdstat_set_flags i32 i32
fd_fdstat_set_rights i32 i64 i64
fd_filestat_get i32 out64
fd_filestat_set_size i32 i64
fd_filestat_set_times i32 i64 i64 i32
fd_pread i32 scatter i64 count
fd_prestat_dir_name i32 room
fd_prestat_get i32 out8
fd_pwrite i32 gather i64 count
fd_read i32 scatter count
fd_readdir i32 room i64 count
fd_renumber i32 i32
fd_seek i32 i64 i32 out8
fd_sync i32
fd_tell i32 out8
fd_write i32 gather count
path_create_directory i32 path
path_filestat_get i32 i32 path out64
path_filestat_set_times i32 i32 path i64 i64 i32
path_link i32 i32 path i32 path
path_open i32 i32 path i32 i64 i64 i32 out4
path_readlink i32 path room count
path_remove_directory i32 path
path_rename i32 path i32 path
path_symlink path i32 path
path_unlink_file i32 path
poll_oneoff poll count
proc_exit i32
proc_raise i32
random_get chance
sched_yield
sock_accept i32 i32 i32
sock_recv i32 i32 i32 i32 i32 i32
sock_send i32 i32 i32 i32 i32
sock_shutdown i32 i32
""")
