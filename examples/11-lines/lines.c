/* Count the lines of a file, or of all files below a folder, by its CID.
 *
 * The content is not passed: its CID is. It is read in pieces of 64 KiB, so a file may have any size,
 * and only the blocks that are read are fetched.
 */
#include "../08-c/ipvm.h"

enum { PIECE = 65536, DEPTH_MAX = 64 };
enum { FILE = 1, FOLDER = 2 };

static uint8_t cids[DEPTH_MAX + 1][IPVM_CID_MAX]; /* on the way down */
static char piece[PIECE];
static char name[IPVM_FILE_NAME_MAX];

static void require(int32_t error) {
  if (error != IPVM_OK) IPVM_REFUSE(error, "a file or a folder could not be read");
}

static uint64_t count_file(const uint8_t *cid) {
  uint64_t lines = 0;
  uint32_t read;
  for (uint64_t offset = 0;; offset += read) {
    require(ipvm_file_read(&read, cid, 0, 0, offset, piece, PIECE));
    for (uint32_t at = 0; at < read; at++) lines += piece[at] == '\n';
    if (read < PIECE) return lines;
  }
}

/* Count what is below cids[depth]. Symlinks are not followed. */
static uint64_t count(uint32_t depth) {
  struct ipvm_file_stat stat;
  require(ipvm_file_stat(&stat, cids[depth], 0, 0, 0, 0));
  if (stat.kind == FILE) return count_file(cids[depth]);
  if (stat.kind != FOLDER) return 0;
  if (depth == DEPTH_MAX) IPVM_REFUSE(IPVM_LIMIT_EXCEEDED, "more than 64 folders in each other");
  uint64_t lines = 0;
  struct ipvm_dir_entry entry = {0};
  do {
    require(ipvm_dir_entry(&entry, cids[depth], 0, 0, entry.next, name, sizeof name,
                           cids[depth + 1], IPVM_CID_MAX));
    if (entry.name_len > 0) lines += count(depth + 1);
  } while (entry.next != 0);
  return lines;
}

IPVM_EXPORT("lines")
uint64_t lines(uint32_t root) {
  int32_t left;
  if (ipld_block_read(&left, root, 0, cids[0], IPVM_CID_MAX) != IPVM_OK)
    IPVM_REFUSE(1, "there is no CID");
  return count(0);
}
