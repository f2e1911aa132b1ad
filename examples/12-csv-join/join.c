/* Join two CSV files by a column that both have, and write a third.
 *
 *   join COLUMN LEFT RIGHT OUTPUT
 *
 * The output has a row for each pair of rows that agree in the column: the fields of the left one,
 * and those of the right one without the column. Rows are in the order of the left file, and those
 * for the same row of it in the order of the right file. The left file is read as it comes; the
 * right one is held in memory.
 *
 * CSV is that of RFC 4180: fields in quotes may hold commas, line breaks and doubled quotes, and all
 * rows have as many fields as the first one, the header. Lines may end in LF alone. What is not like
 * that is refused with its file and line.
 *
 * Exit codes: 0 joined, 1 something is wrong with a file, 2 something is wrong with the arguments.
 *
 * This is standard C, and knows nothing of CIDs: `cc -o join join.c` makes a program for this
 * machine of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
  char *text; /* the bytes of all fields, without their quotes */
  size_t length, room;
  size_t *ends; /* where each field ends in the text */
  size_t fields, fields_room;
};

struct input {
  const char *path;
  FILE *file;
  unsigned long line; /* where the last byte stood */
  int last;           /* that byte */
  struct row header;
  size_t key; /* which field is the column */
};

struct table {
  struct row *rows; /* in the order of the file */
  size_t length, room;
  size_t *first; /* for each hash of a key, the number of its first row; from 1, and 0 for none */
  size_t *next;  /* for each row, the number of the next one with the same hash */
  size_t hashes; /* a power of two */
};

static const char *unfinished; /* the path of the output, until it is whole */

/* Write a message, leave no half output behind, and exit. */
static _Noreturn void stop(const char *path, unsigned long line, const char *problem) {
  fprintf(stderr, "join: %s", path);
  if (line) fprintf(stderr, ":%lu", line);
  fprintf(stderr, ": %s\n", problem);
  if (unfinished) remove(unfinished);
  exit(1);
}

/* Give room for one more item, twice as much as before when there is none left. */
static void *grown(void *items, size_t length, size_t *room, size_t size) {
  if (length < *room) return items;
  *room = *room ? *room * 2 : 16;
  items = realloc(items, *room * size);
  if (!items) stop("memory", 0, strerror(errno));
  return items;
}

static const char *field(const struct row *row, size_t index, size_t *length) {
  size_t start = index ? row->ends[index - 1] : 0;
  *length = row->ends[index] - start;
  return row->text + start;
}

/* ---------------------------------------------------------------- reading */

static int next_byte(struct input *in) {
  int byte = getc(in->file);
  if (byte == EOF && ferror(in->file)) stop(in->path, 0, strerror(errno));
  if (in->last == '\n' && byte != EOF) in->line++;
  return in->last = byte;
}

static bool is_special(int byte) {
  return byte == ',' || byte == '"' || byte == '\r' || byte == '\n';
}

static void add_byte(struct row *row, int byte) {
  row->text = grown(row->text, row->length, &row->room, 1);
  row->text[row->length++] = (char)byte;
}

/* Read the rest of a field in quotes, and the byte behind it. */
static void read_quoted(struct input *in, struct row *row) {
  unsigned long began = in->line;
  for (;;) {
    next_byte(in);
    if (in->last == EOF) stop(in->path, began, "a quote is opened here and never closed");
    if (in->last == '"' && next_byte(in) != '"') return;
    add_byte(row, in->last);
  }
}

/* Read a field whose first byte was read, and the byte behind it: a comma, a line feed, or EOF. */
static void read_field(struct input *in, struct row *row) {
  if (in->last == '"') {
    read_quoted(in, row);
  } else {
    while (in->last != EOF && !is_special(in->last)) {
      add_byte(row, in->last);
      next_byte(in);
    }
    if (in->last == '"') stop(in->path, in->line, "a quote inside a field that begins without one");
  }
  if (in->last == '\r' && next_byte(in) != '\n')
    stop(in->path, in->line, "a carriage return without a line feed");
  if (in->last != ',' && in->last != '\n' && in->last != EOF)
    stop(in->path, in->line, "something between a closing quote and the end of its field");
  row->ends = grown(row->ends, row->fields, &row->fields_room, sizeof *row->ends);
  row->ends[row->fields++] = row->length;
}

/* Read a row; false at the end of the file. */
static bool read_row(struct input *in, struct row *row) {
  row->length = row->fields = 0;
  if (next_byte(in) == EOF) return false;
  unsigned long began = in->line;
  for (read_field(in, row); in->last == ','; read_field(in, row)) next_byte(in);
  if (in->header.fields && row->fields != in->header.fields) {
    char problem[80];
    snprintf(problem, sizeof problem, "this row has %zu fields, and the header %zu", row->fields,
             in->header.fields);
    stop(in->path, began, problem);
  }
  return true;
}

static struct input open_input(const char *path, const char *column) {
  struct input in = {.path = path, .file = fopen(path, "rb"), .line = 1};
  struct row header = {0};
  size_t length;
  if (!in.file) stop(path, 0, strerror(errno));
  if (!read_row(&in, &header)) stop(path, 0, "the file is empty, and has not even a header");
  for (; in.key < header.fields; in.key++) {
    const char *name = field(&header, in.key, &length);
    if (length == strlen(column) && !memcmp(name, column, length)) break;
  }
  if (in.key == header.fields) stop(path, 1, "there is no such column");
  in.header = header;
  return in;
}

/* ---------------------------------------------------------------- finding */

/* FNV-1a */
static size_t hash(const char *bytes, size_t length) {
  unsigned long long value = 0xcbf29ce484222325;
  while (length--) value = (value ^ (unsigned char)*bytes++) * 0x100000001b3;
  return (size_t)(value ^ value >> 32);
}

static struct table read_table(struct input *in) {
  struct table table = {0};
  struct row row = {0};
  for (; read_row(in, &row); row = (struct row){0}) {
    table.rows = grown(table.rows, table.length, &table.room, sizeof row);
    table.rows[table.length++] = row;
  }
  for (table.hashes = 1; table.hashes < table.length;) table.hashes *= 2;
  table.first = calloc(table.hashes, sizeof *table.first);
  table.next = calloc(table.length + 1, sizeof *table.next);
  if (!table.first || !table.next) stop("memory", 0, strerror(errno));
  for (size_t number = table.length; number; number--) {
    size_t length;
    const char *key = field(&table.rows[number - 1], in->key, &length);
    size_t *first = &table.first[hash(key, length) & (table.hashes - 1)];
    table.next[number] = *first;
    *first = number;
  }
  return table;
}

/* ---------------------------------------------------------------- writing */

static void write_field(FILE *out, const char *text, size_t length) {
  bool quoted = false;
  for (size_t i = 0; i < length; i++) quoted |= is_special(text[i]);
  if (quoted) putc('"', out);
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') putc('"', out);
    putc(text[i], out);
  }
  if (quoted) putc('"', out);
}

/* Write the fields of the left row, and those of the right one without the column. */
static void write_row(FILE *out, const struct row *left, const struct row *right, size_t key) {
  size_t length;
  for (size_t i = 0; i < left->fields; i++) {
    const char *text = field(left, i, &length);
    if (i) putc(',', out);
    write_field(out, text, length);
  }
  for (size_t i = 0; i < right->fields; i++) {
    const char *text = field(right, i, &length);
    if (i == key) continue;
    putc(',', out);
    write_field(out, text, length);
  }
  fputs("\r\n", out);
}

static unsigned long join(struct input *left, struct input *right, FILE *out) {
  struct table table = read_table(right);
  struct row row = {0};
  unsigned long count = 0;
  write_row(out, &left->header, &right->header, right->key);
  while (read_row(left, &row)) {
    size_t length, other_length;
    const char *key = field(&row, left->key, &length);
    size_t number = table.first[hash(key, length) & (table.hashes - 1)];
    for (; number; number = table.next[number]) {
      const struct row *other = &table.rows[number - 1];
      const char *other_key = field(other, right->key, &other_length);
      if (length != other_length || memcmp(key, other_key, length)) continue;
      write_row(out, &row, other, right->key);
      count++;
    }
  }
  return count;
}

int main(int count, char **arguments) {
  if (count != 5) {
    fputs("usage: join COLUMN LEFT RIGHT OUTPUT\n", stderr);
    return 2;
  }
  struct input left = open_input(arguments[2], arguments[1]);
  struct input right = open_input(arguments[3], arguments[1]);
  FILE *out = fopen(arguments[4], "wb");
  if (!out) stop(arguments[4], 0, strerror(errno));
  unfinished = arguments[4];
  unsigned long rows = join(&left, &right, out);
  bool failed = ferror(out);
  if (fclose(out) || failed) stop(arguments[4], 0, strerror(errno));
  printf("%lu rows\n", rows);
  return 0;
}
