/* Count the lines and bytes of all files below some folders.
 *
 *   count PATH...
 *
 * Each file gets a line with its lines, its bytes and its path, and the last line has the sums. The
 * order is that of the arguments; below a folder, that of the names, byte by byte. A symlink below a
 * folder is not followed, since its target is counted where it is.
 *
 * Exit codes: 0 counted, 1 something could not be read, and the rest was counted, 2 no arguments.
 *
 * This is C with the folders of POSIX, and knows nothing of CIDs: `cc -o count count.c` makes a
 * program for this machine of it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct sums {
  unsigned long long files, lines, bytes;
};

struct names {
  char **items;
  size_t length, room;
};

static int failures;

static void complain(const char *path) {
  fprintf(stderr, "count: %s: %s\n", path, strerror(errno));
  failures++;
}

static void *got(void *memory) {
  if (memory) return memory;
  complain("memory");
  exit(1);
}

static void count_file(const char *path, struct sums *sums) {
  static char buffer[1 << 16];
  unsigned long long lines = 0, bytes = 0;
  size_t length;
  FILE *file = fopen(path, "rb");
  if (!file) {
    complain(path);
    return;
  }
  while ((length = fread(buffer, 1, sizeof buffer, file))) {
    bytes += length;
    for (const char *at = buffer; (at = memchr(at, '\n', length - (size_t)(at - buffer))); at++)
      lines++;
  }
  if (ferror(file)) {
    complain(path);
  } else {
    printf("%10llu %12llu %s\n", lines, bytes, path);
    sums->files++;
    sums->lines += lines;
    sums->bytes += bytes;
  }
  fclose(file);
}

static int by_bytes(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Give the names in a folder, sorted. */
static struct names names_in(const char *path) {
  struct names names = {0};
  DIR *folder = opendir(path);
  struct dirent *entry;
  if (!folder) {
    complain(path);
    return names;
  }
  while (errno = 0, (entry = readdir(folder))) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (names.length == names.room) {
      names.room = names.room ? names.room * 2 : 64;
      names.items = got(realloc(names.items, names.room * sizeof *names.items));
    }
    names.items[names.length++] = got(strdup(entry->d_name));
  }
  if (errno) complain(path);
  closedir(folder);
  if (names.length) qsort(names.items, names.length, sizeof *names.items, by_bytes);
  return names;
}

static void count(const char *path, struct sums *sums) {
  struct stat what;
  if (lstat(path, &what)) {
    complain(path);
  } else if (S_ISREG(what.st_mode)) {
    count_file(path, sums);
  } else if (S_ISDIR(what.st_mode)) {
    struct names names = names_in(path);
    for (size_t i = 0; i < names.length; i++) {
      size_t size = strlen(path) + strlen(names.items[i]) + 2;
      char *below = got(malloc(size));
      snprintf(below, size, "%s/%s", path, names.items[i]);
      count(below, sums);
      free(below);
      free(names.items[i]);
    }
    free(names.items);
  }
}

int main(int length, char **arguments) {
  struct sums sums = {0};
  if (length < 2) {
    fputs("usage: count PATH...\n", stderr);
    return 2;
  }
  for (int i = 1; i < length; i++) count(arguments[i], &sums);
  printf("%10llu %12llu in %llu files\n", sums.lines, sums.bytes, sums.files);
  if (fflush(stdout)) complain("standard output");
  return failures ? 1 : 0;
}
