"""The bounds of everything that comes from outside, each with a name, a unit and a reason.

Bounds that two runtimes must share, because a result could depend on them, are constants and stand
in the spec. Bounds that only protect the machine are fields of `Limits`: the caller may raise them
(`ipvm.open(limits=...)`, `--limit NAME=VALUE`), and reaching one never becomes part of a receipt.
"""

from dataclasses import dataclass
from typing import Final

BLOCK_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest block in bytes that is kept, opened or created."""

CID_BYTES_MAX: Final = 160
"""Longest binary CID: four varints and the longest digest."""

DIGEST_BYTES_MAX: Final = 128
"""Longest digest, which is also the most data that an identity CID carries."""

DIGEST_BYTES_MIN: Final = 20
"""Shortest digest of a cryptographic hash. A shorter one could be forged."""

IPLD_DEPTH_MAX: Final = 128
"""Deepest nesting of lists and maps in one block."""

NAME_BYTES_MAX: Final = 1024
"""Longest name of a function, an import or an export that a record may hold, in bytes."""

MODULE_NAME_BYTES_MAX: Final = 100_000
"""Longest name in a module, in bytes. The engine takes no longer one."""

FUNCTION_PARAMETERS_MAX: Final = 1000
"""Most parameters of a function, and most results. The engine takes no more."""

RECORD_ENTRIES_MAX: Final = 10_000
"""Imports, exports, grants or engine settings that one record may hold, of each kind."""

COMMAND_TEXT_BYTES_MAX: Final = 128 * 1024
"""Longest argument of a command, and longest value of its environment, in bytes: as Linux has it."""

RECORD_INTEGER_MAX: Final = 2**63 - 1
"""Largest amount of fuel or memory that a record may hold: what every language has a type for."""

DOC_BYTES_MAX: Final = 4096
"""Longest documentation of one function in a manifest, in bytes. More belongs into a readme."""

DESCRIPTION_BYTES_MAX: Final = 1024 * 1024
"""Largest `ipvm.toml`, in bytes."""

DESCRIPTION_KEY_PARTS_MAX: Final = 64
"""Parts of one dotted key in `ipvm.toml`: reading it takes time quadratic in them."""

TARGET_BYTES_MAX: Final = 4096
"""Longest text that names a function to run: a path, or a CID."""

CAR_HEADER_BYTES_MAX: Final = 1024 * 1024
"""Largest header of a CAR that is read or written, in bytes: some 25 000 roots."""

CHUNK_BYTES_MAX: Final = 2 * 1024 * 1024 - 256
"""Longest piece that a file is cut into, in bytes: what other implementations of IPFS pass on, with
room for the node around it."""

FOLDER_NESTING_MAX: Final = 256
"""Folders inside each other that are imported from a disk: each takes an open file."""

STORE_COMMIT_BYTES_MAX: Final = 32 * 1024 * 1024
"""Bytes of blocks after which the store ends a commit; more blocks go into the next one."""

STORE_PROCESSES_MAX: Final = 1024
"""Processes that can read one store at the same time."""

FILE_BYTES_MAX: Final = 2**63 - 1
"""Largest file that a UnixFS tree may tell, in bytes."""

FILE_DEPTH_MAX: Final = 64
"""Most nodes of a file on the way from its root to one of its bytes."""

FILE_LINKS_HELD_MAX: Final = 262_144
"""Links to parts of a file that one reader of it keeps for later."""

HAMT_FANOUT_MAX: Final = 1024
"""Most slots in one shard of a folder."""

SYMLINK_BYTES_MAX: Final = 4096
"""Longest target of a symlink, in bytes."""

SYMLINKS_FOLLOWED_MAX: Final = 40
"""Symlinks that are followed on the way of one path."""

FILE_READ_BYTES_MAX: Final = 4 * 1024 * 1024
"""Most bytes that one `ipvm.file_read` gives."""

FILE_PATH_BYTES_MAX: Final = 4096
"""Longest path that a guest gives to a host call, in bytes."""

NODES_AT_HAND_MAX: Final = 64
"""Nodes of files and folders that an invocation has at hand, so that they cost little fuel."""

NODES_AT_HAND_BYTES_MAX: Final = 8 * 1024 * 1024
"""Most bytes that the blocks of these nodes have together; one larger node may be at hand alone."""

TREE_DEPTH_MAX: Final = 256
"""Folders in each other that a walk or an export goes down."""

PIN_NAME_BYTES_MAX: Final = 500
"""Longest name of a pin, in bytes: it is a key of the store."""

CALL_DEPTH_MAX: Final = 32
"""Deepest chain of `ipvm.call`; the call that would go deeper gets the error LimitExceeded."""

CALL_FUEL_KEPT: Final = 64
"""One part in so many of its fuel stays with a function while another runs that it calls by CID."""

CALL_MEMORY_KEPT: Final = 4
"""A function that is called by CID gets the memory of its caller less one part in so many, so that a
whole chain of calls takes at most four times the memory of its first."""

READS_INLINE_MAX: Final = 1000
"""Reads that a receipt lists itself; more stand in a block of their own."""

BITSWAP_MESSAGE_BYTES_MAX: Final = BLOCK_BYTES_MAX + 64 * 1024
"""Longest message of Bitswap that is read, in bytes: the largest block, with what stands around it."""

BITSWAP_WANTS_READ_MAX: Final = 2048
"""Wants of one message of Bitswap that are looked at, and wants of one peer that wait to be served. More
are dropped, and can be asked for again."""

BITSWAP_WANTS_ASKED_MAX: Final = 512
"""Wants that one peer is asked for at the same time. Others drop what is more than they can keep."""

BITSWAP_REPLY_BYTES: Final = 512 * 1024
"""Bytes of blocks after which a message that serves them ends."""

BITSWAP_REPLIES_MAX: Final = 32
"""Messages with blocks that are under way to all peers together, one at most to each."""

BITSWAP_STREAMS_MAX: Final = 8
"""Streams that one peer may have open to us for Bitswap."""

PEERS_MAX: Final = 64
"""Peers that are connected at the same time."""

NEIGHBOURS_MAX: Final = 16
"""Peers of the local network that are met because they were found there."""

PEER_ADDRESS_BYTES_MAX: Final = 1024
"""Longest address of a peer, in bytes."""

DHT_MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""Longest message of the DHT that is read, in bytes."""

DHT_PEERS_READ_MAX: Final = 64
"""Peers of each kind in one message of the DHT that are looked at."""

DHT_ADDRESSES_READ_MAX: Final = 64
"""Addresses of one peer in a message of the DHT that are looked at."""

DHT_ADDRESSES_KEPT_MAX: Final = 8
"""Addresses of one peer that are kept, told and dialled."""

DHT_KEY_BYTES_MAX: Final = 160
"""Longest key in a message of the DHT, in bytes: a multihash, or the ID of a peer."""

DHT_ASKED_MAX: Final = 60
"""Peers that one search in the DHT asks."""

DHT_STREAMS_MAX: Final = 16
"""Streams that one peer may have open to us for the DHT; all together may have 64."""

DHT_RECORDS_MAX: Final = 50_000
"""Providers that a server of the DHT remembers."""

DHT_RECORDS_PER_PEER_MAX: Final = 1000
"""Keys that one peer may say that it provides."""

DHT_PROVIDERS_DIALLED_MAX: Final = 8
"""Peers that are dialled because they are said to have one block."""

DHT_FOUND_MAX: Final = 16
"""Peers that were found to have some block, and stay connected."""

MESSAGE_BYTES_MAX: Final = 65_536
"""Longest message of `ipvm.log` and `ipvm.abort`, in bytes."""

FUEL_DEFAULT: Final = 100_000_000_000
"""Fuel of an invocation that names none: about two minutes of one core."""

MEMORY_DEFAULT: Final = 1024 * 1024 * 1024
"""Bytes that all linear memories of an invocation may take when it names no other bound."""

TABLE_ELEMENTS_MAX: Final = 10_000_000
"""Elements that all tables of an invocation may hold together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that protect this machine. None of them changes what a function answers."""

    closure_modules_max: int = 10_000
    """Manifests and modules in one linked program."""

    closure_depth_max: int = 10_000
    """Longest chain of imports in one linked program."""

    closure_bytes_max: int = 1024 * 1024 * 1024
    """Bytes of all blocks of one linked program together, and again of its modules, where a block
    that is repeated in a file counts each time."""

    closure_entries_max: int = 2_000_000
    """Imports and exports of all modules of one linked program together: each takes about 150 bytes
    of memory."""

    module_bytes_max: int = 64 * 1024 * 1024
    """Bytes of one module."""

    module_imports_max: int = 10_000
    """Imports of one module."""

    module_functions_max: int = 200_000
    """Functions that one module defines."""

    module_entries_max: int = 500_000
    """Types, parameters, globals, exports, sections and other small parts of one module together."""

    function_bytes_max: int = 512 * 1024
    """Bytes of the body of one function: compiling one costs up to quadratic memory."""

    fetches_max: int = 64
    """Blocks that one caller fetches at the same time."""

    fetches_together_max: int = 1024
    """Blocks that all callers together fetch at the same time. The others wait for their turn."""

    fetch_seconds_max: int = 30
    """Seconds that one source has for one block, or for the next one of many."""

    gateway_connections_max: int = 64
    """Connections to one gateway at the same time."""

    fetched_block_bytes_max: int = 2 * 1024 * 1024
    """Bytes of one block that is taken from others: what all implementations of IPFS pass on. Blocks
    have at most 4 MiB, so more than that changes nothing."""

    made_bytes_max: int = 4 * 1024 * 1024 * 1024
    """Bytes of the blocks that one call makes and keeps."""

    folder_depth_max: int = 100
    """Folders that import each other in a chain when a function is published from the disk."""

    store_map_bytes: int = 1024 * 1024 * 1024 * 1024
    """Address space that the store reserves at first. It is sparse, and grows when it must."""

    loaded_programs_max: int = 256
    """Linked programs that are kept ready in memory."""

    loaded_bytes_max: int = 1024 * 1024 * 1024
    """Bytes of machine code that are kept in memory for programs that are not in use, and again for
    modules; what was used last stays, however large it is."""

    compile_memory_bytes_max: int = 4 * 1024 * 1024 * 1024
    """Address space that compiling one module may take."""

    compile_seconds_max: int = 60
    """Seconds of processor time, of all cores together, that compiling one module may take."""

    artifact_bytes_max: int = 512 * 1024 * 1024
    """Bytes of the machine code of one module: two kilobytes of segments can ask for gigabytes."""

    program_artifact_bytes_max: int = 4 * 1024 * 1024 * 1024
    """Bytes of the machine code of all modules of one linked program together."""

    artifact_cache_bytes_max: int = 2 * 1024 * 1024 * 1024
    """Bytes of machine code that are kept on the disk; the least recently used goes first."""
