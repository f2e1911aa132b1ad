/* A command that does what its arguments say, one after the other. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static char piece[65536];

static void copy(FILE *from, FILE *to) {
  size_t size;
  while ((size = fread(piece, 1, sizeof piece, from))) fwrite(piece, 1, size, to);
}

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  return 1;
}

static int list(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return failed(path);
  for (struct dirent *each; (each = readdir(folder));) printf("%s\n", each->d_name);
  return closedir(folder);
}

static int cat(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return failed(path);
  copy(file, stdout);
  if (ferror(file)) return failed(path);
  return fclose(file);
}

static int put(const char *path, const char *how, const char *text) {
  FILE *file = fopen(path, how);
  if (!file) return failed(path);
  fputs(text, file);
  return fclose(file);
}

static int range(const char *path, long offset, size_t size) {
  FILE *file = fopen(path, "r");
  if (!file) return failed(path);
  fseek(file, offset, SEEK_SET);
  printf("%zu\n", fread(piece, 1, size, file));
  return fclose(file);
}

static int fill(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) return failed(path);
  while (fwrite(piece, 1, sizeof piece, file) == sizeof piece) {}
  return failed(path);
}

int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    if (!strcmp(word, "args")) while (i < count) printf("%s\n", words[i++]);
    else if (!strcmp(word, "name")) printf("%s\n", words[0]);
    else if (!strcmp(word, "env")) for (char **each = environ; *each; each++) printf("%s\n", *each);
    else if (!strcmp(word, "stdin")) copy(stdin, stdout);
    else if (!strcmp(word, "say")) printf("%s\n", words[++i]);
    else if (!strcmp(word, "complain")) fprintf(stderr, "%s\n", words[++i]);
    else if (!strcmp(word, "ls")) { if (list(words[++i])) return 1; }
    else if (!strcmp(word, "cat")) { if (cat(words[++i])) return 1; }
    else if (!strcmp(word, "range")) { range(words[i + 1], atol(words[i + 2]), atol(words[i + 3])); i += 3; }
    else if (!strcmp(word, "put")) { if (put(words[i + 1], "w", words[i + 2])) return 1; i += 2; }
    else if (!strcmp(word, "append")) { if (put(words[i + 1], "a", words[i + 2])) return 1; i += 2; }
    else if (!strcmp(word, "mkdir")) { if (mkdir(words[++i], 0777)) return failed(words[i]); }
    else if (!strcmp(word, "rm")) { if (remove(words[++i])) return failed(words[i]); }
    else if (!strcmp(word, "link")) { if (symlink(words[i + 1], words[i + 2])) return failed(words[i + 2]); i += 2; }
    else if (!strcmp(word, "fill")) return fill(words[++i]);
    else if (!strcmp(word, "babble")) for (;;) fwrite(piece, 1, sizeof piece, stdout);
    else if (!strcmp(word, "spin")) for (volatile unsigned n = 0;; n++) {}
    else if (!strcmp(word, "random")) { uint64_t drawn; getentropy(&drawn, 8); printf("%llx\n", (unsigned long long)drawn); }
    else if (!strcmp(word, "trap")) __builtin_trap();
    else if (!strcmp(word, "exit")) exit(atoi(words[++i]));
    else { fprintf(stderr, "what is %s?\n", word); return 64; }
  }
  return 0;
}
