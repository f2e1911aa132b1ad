/* The host calls of ipvm, for C compiled to WebAssembly.
 *
 * Each returns an error number, and IPVM_OK when all went well. What else it has to say it writes to
 * `out`. A block is known by its handle, which means the same block in every function of the
 * invocation; the handle 0 is null, and of no block. Copy this file to where you need it.
 */
#ifndef IPVM_H
#define IPVM_H

#include <stdint.h>

#define IPVM_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define IPVM_EXPORT(name) __attribute__((export_name(name)))

enum ipvm_error {
  IPVM_OK = 0,
  IPVM_ILLEGAL_ARGUMENT = 1,
  IPVM_ILLEGAL_OPERATION = 2,
  IPVM_LIMIT_EXCEEDED = 3,
  IPVM_NOT_FOUND = 6,
  IPVM_INVALID_HANDLE = 7,
  IPVM_ILLEGAL_CID = 8,
  IPVM_ILLEGAL_CODEC = 9,
  IPVM_SERIALIZATION = 10,
  IPVM_FORBIDDEN = 11,
  IPVM_BUFFER_TOO_SMALL = 12,
  IPVM_TIMEOUT = 64,
  IPVM_NETWORK = 65,
  IPVM_DENIED = 66,
};

enum { IPVM_RAW = 0x55, IPVM_DAG_PB = 0x70, IPVM_DAG_CBOR = 0x71, IPVM_DAG_JSON = 0x0129 };
enum { IPVM_SHA2_256 = 0x12, IPVM_BLAKE3 = 0x1e };
enum { IPVM_CID_MAX = 160 };

struct ipld_opened {
  uint64_t codec;
  uint32_t id;
  uint32_t size;
};

struct ipld_stat {
  uint64_t codec;
  uint32_t size;
};

/* How a called function ended. The block of its result is `id`, and 0 where there is none. */
struct ipvm_answer {
  uint32_t exit; /* 0 well, 1 by an abort with `code`, 2 trap, 3 out of fuel, 4 invalid result */
  uint32_t code;
  uint64_t codec;
  uint32_t id;
  uint32_t size;
  uint64_t fuel_used;
};

/* Open a block by its CID, from wherever it is. */
IPVM_IMPORT("ipld", "block_open")
int32_t ipld_block_open(struct ipld_opened *out, const uint8_t *cid);

/* Make a block out of up to 4 MiB, which have to be valid under the codec. */
IPVM_IMPORT("ipld", "block_create")
int32_t ipld_block_create(uint32_t *out, uint64_t codec, const void *data, uint32_t len);

/* Read a part of a block. `out` is by how much the block is longer than offset + max, which is
 * negative when it ends before. */
IPVM_IMPORT("ipld", "block_read")
int32_t ipld_block_read(int32_t *out, uint32_t id, uint32_t offset, void *to, uint32_t max);

/* Give the codec and the size of a block. */
IPVM_IMPORT("ipld", "block_stat")
int32_t ipld_block_stat(struct ipld_stat *out, uint32_t id);

/* Compute the CID of a block, and keep the block. `out` is the length of the CID. */
IPVM_IMPORT("ipld", "block_link")
int32_t ipld_block_link(uint32_t *out, uint32_t id, uint64_t hash_fun, uint32_t hash_len,
                        uint8_t *cid, uint32_t cid_max);

/* Call a function by CID in a sandbox of its own. `args` are block handles. */
IPVM_IMPORT("ipvm", "call")
int32_t ipvm_call(struct ipvm_answer *out, const uint8_t *cid, const char *name, uint32_t name_len,
                  const uint32_t *args, uint32_t args_len, uint64_t fuel);

/* Tell the caller something. It has no effect on the result. */
IPVM_IMPORT("ipvm", "log")
int32_t ipvm_log(const char *message, uint32_t len);

/* End the invocation with a code and a message. It does not return. */
IPVM_IMPORT("ipvm", "abort")
int32_t ipvm_abort(uint32_t code, const char *message, uint32_t len);

/* The same with a message in quotes. */
#define IPVM_REFUSE(code, message)                              \
  do {                                                          \
    ipvm_abort((uint32_t)(code), message, sizeof(message) - 1); \
    __builtin_unreachable();                                    \
  } while (0)

/* Give the fuel that is left; 2^64 - 1 where fuel is not counted. */
IPVM_IMPORT("ipvm", "fuel")
int32_t ipvm_fuel(uint64_t *out);

/* Give the CID by which this module was linked. `out` is the length of the CID. */
IPVM_IMPORT("ipvm", "self")
int32_t ipvm_self(uint32_t *out, uint8_t *cid, uint32_t cid_max);

/* Hash bytes. `out` is the length of the digest. */
IPVM_IMPORT("ipvm", "hash")
int32_t ipvm_hash(uint32_t *out, uint64_t hash_fun, const void *data, uint32_t len,
                  uint8_t *digest, uint32_t digest_max);

struct ipvm_file_stat {
  uint64_t size; /* bytes of a file, or of the target of a symlink */
  uint32_t kind; /* 1 a file, 2 a folder, 3 a symlink */
  uint32_t cid_len;
};

struct ipvm_dir_entry {
  uint64_t next; /* the next cursor; 0 when there are no more entries */
  uint32_t name_len; /* 0 when there is no entry here */
  uint32_t cid_len;
};

enum { IPVM_FILE_NAME_MAX = 4096, IPVM_FILE_PATH_MAX = 4096, IPVM_FILE_READ_MAX = 4194304 };

/* Tell what is at a path below a CID, or what the CID itself is if `path_len` is 0. Its CID is
 * written to `to`, unless `max` is 0. */
IPVM_IMPORT("ipvm", "file_stat")
int32_t ipvm_file_stat(struct ipvm_file_stat *out, const uint8_t *cid, const char *path,
                       uint32_t path_len, uint8_t *to, uint32_t max);

/* Read a range of a file. `out` is the number of bytes: less than `max` only at the end. */
IPVM_IMPORT("ipvm", "file_read")
int32_t ipvm_file_read(uint32_t *out, const uint8_t *cid, const char *path, uint32_t path_len,
                       uint64_t offset, void *to, uint32_t max);

/* Give one entry of a folder: the first one for the cursor 0, and then that of `next`, until it is
 * 0. The CID is written to `to`, unless `max` is 0. */
IPVM_IMPORT("ipvm", "dir_entry")
int32_t ipvm_dir_entry(struct ipvm_dir_entry *out, const uint8_t *cid, const char *path,
                       uint32_t path_len, uint64_t cursor, char *name, uint32_t name_max,
                       uint8_t *to, uint32_t max);

#endif
