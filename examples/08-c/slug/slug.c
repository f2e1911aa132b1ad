/* Make the part of an address out of a title: "Hello, World!" becomes "hello-world".
 *
 * Which characters stay is for another function to say. It is linked by its CID, and may be written
 * in any language; this one is in WAT. There is no C library here, and none is needed.
 */
#include "../ipvm.h"

IPVM_IMPORT("letters", "fold")
int32_t letters_fold(int32_t character);

enum { TITLE_MAX = 4096 };

static char title[TITLE_MAX];
static char slug[TITLE_MAX];

/* Read a title, and give its length. */
static uint32_t read_title(uint32_t block) {
  struct ipld_stat found;
  if (ipld_block_stat(&found, block) != IPVM_OK) IPVM_REFUSE(1, "there is no title");
  if (found.size > TITLE_MAX) IPVM_REFUSE(2, "the title has more than 4096 bytes");
  int32_t left;
  int32_t error = ipld_block_read(&left, block, 0, title, found.size);
  if (error != IPVM_OK) IPVM_REFUSE(error, "the title could not be read");
  return found.size;
}

/* Write the slug of a title of that length, and give its own. */
static uint32_t write_slug(uint32_t length) {
  uint32_t end = 0;
  for (uint32_t at = 0; at < length; at++) {
    int32_t character = letters_fold((unsigned char)title[at]);
    if (character != 0)
      slug[end++] = (char)character;
    else if (end > 0 && slug[end - 1] != '-')
      slug[end++] = '-';
  }
  if (end > 0 && slug[end - 1] == '-') end--;
  return end;
}

IPVM_EXPORT("slug")
uint32_t make_slug(uint32_t block) {
  uint32_t result;
  int32_t error = ipld_block_create(&result, IPVM_RAW, slug, write_slug(read_title(block)));
  if (error != IPVM_OK) IPVM_REFUSE(error, "the slug could not be given back");
  return result;
}
