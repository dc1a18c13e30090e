#include "variants/variant_file.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FILE_WORD     "millrace-variants 2\n"
#define FILE_SUFFIX   ".cache"
#define NUMBER_DIGITS 10

#define RECORD_MAGIC 0x6d727631u /* "mrv1" */
#define FOOT_MAGIC   0x6d727674u /* "mrvt" */

/* Where the table is, stands where no byte of an image does: the end of a file that was not closed is that of an image,
 * which may look like a table. */
struct file_head {
    char word[24];
    uint64_t table_at; /* 0: it was not closed */
};

struct record_head {
    uint32_t magic, len, format, width, height, spare;
    struct mr_variant_key key;
    char id[32];
    uint64_t bytes_sum, sum; /* XXH3; the last one is of all before it */
};

struct mr_variant_row {
    struct mr_variant_key key;
    uint32_t offset, len;
};

struct file_foot {
    uint32_t magic, count;
    uint64_t table_at, table_sum, sum;
};

_Static_assert(sizeof(struct record_head) == MR_VARIANT_HEAD_SIZE, "no padding");
_Static_assert(sizeof(struct mr_variant_row) == 40 && sizeof(struct file_foot) == 32, "no padding");

/* ---- names ---- */

void mr_variant_file_name(char out[MR_VARIANT_FILE_NAME_SIZE], uint32_t number)
{
    snprintf(out, MR_VARIANT_FILE_NAME_SIZE, "%0*u" FILE_SUFFIX, NUMBER_DIGITS, (unsigned)number);
}

bool mr_variant_file_number(const char *name, uint32_t *number)
{
    struct mr_slice text = {.at = name, .len = NUMBER_DIGITS};
    uint64_t value;
    if (strlen(name) != NUMBER_DIGITS + strlen(FILE_SUFFIX) || strcmp(name + NUMBER_DIGITS, FILE_SUFFIX) != 0 ||
        !mr_number_parse(text, UINT32_MAX / 2, &value) || value == 0)
        return false;
    *number = (uint32_t)value;
    return true;
}

/* ---- sums ---- */

static uint64_t sum_of_head(const struct record_head *head)
{
    return XXH3_64bits(head, offsetof(struct record_head, sum));
}

static uint64_t sum_of_foot(const struct file_foot *foot)
{
    return XXH3_64bits(foot, offsetof(struct file_foot, sum));
}

static void make_head(struct record_head *head, const struct mr_variant_record *record, struct mr_slice bytes)
{
    memset(head, 0, sizeof(*head));
    head->magic = RECORD_MAGIC;
    head->len = (uint32_t)bytes.len;
    head->format = record->format;
    head->width = record->width;
    head->height = record->height;
    head->key = record->key;
    memcpy(head->id, record->id, MR_ULID_LEN);
    head->bytes_sum = XXH3_64bits(bytes.at, bytes.len);
    head->sum = sum_of_head(head);
}

static bool is_head(const struct record_head *head)
{
    return head->magic == RECORD_MAGIC && head->sum == sum_of_head(head) && head->len > 0 &&
           head->len <= UINT32_MAX - MR_VARIANT_HEAD_SIZE && head->format > MR_IMAGE_UNKNOWN &&
           head->format < MR_IMAGE_FORMAT_COUNT &&
           mr_ulid_is_valid((struct mr_slice){.at = head->id, .len = MR_ULID_LEN});
}

bool mr_variant_record_decode(struct mr_variant_record *out, struct mr_slice *image, struct mr_slice record,
                              const struct mr_variant_key *key)
{
    struct record_head head;
    if (record.len < sizeof(head))
        return false;
    memcpy(&head, record.at, sizeof(head));
    if (!is_head(&head) || head.len != record.len - sizeof(head) ||
        memcmp(head.key.bytes, key->bytes, MR_VARIANT_KEY_LEN) != 0)
        return false;
    *image = (struct mr_slice){.at = record.at + sizeof(head), .len = head.len};
    if (XXH3_64bits(image->at, image->len) != head.bytes_sum)
        return false;
    *out = (struct mr_variant_record){
        .key = head.key, .format = (enum mr_image_format)head.format, .width = head.width, .height = head.height};
    memcpy(out->id, head.id, MR_ULID_LEN);
    return true;
}

/* ---- writing ---- */

static uint64_t size_of_table(uint32_t count)
{
    return count * sizeof(struct mr_variant_row) + sizeof(struct file_foot);
}

uint64_t mr_variant_file_size(const struct mr_variant_file *file)
{
    if (file->fd < 0)
        return sizeof(struct file_head);
    return file->size + (file->count > 0 ? size_of_table(file->count) : 0);
}

uint64_t mr_variant_file_size_with(const struct mr_variant_file *file, size_t len)
{
    uint64_t size = file->fd >= 0 ? file->size : sizeof(struct file_head);
    uint32_t count = file->fd >= 0 ? file->count : 0;
    return size + MR_VARIANT_HEAD_SIZE + len + size_of_table(count + 1);
}

int mr_variant_file_create(struct mr_variant_file *file, int directory, uint32_t number,
                           struct mr_disk_failure *failure)
{
    char name[MR_VARIANT_FILE_NAME_SIZE];
    const struct file_head head = {.word = FILE_WORD};
    struct mr_disk_failure closing;
    *file = (struct mr_variant_file){.fd = -1, .number = number, .size = sizeof(head)};
    mr_variant_file_name(name, number);
    int err = mr_disk_open(&file->fd, NULL, directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, failure);
    if (err == MR_OK)
        err = mr_disk_write(file->fd, &head, sizeof(head), 0, failure);
    if (err != MR_OK && file->fd >= 0)
        mr_disk_close(&file->fd, &closing); /* the first failure is the one to tell */
    return err;
}

static bool add_row(struct mr_variant_file *file, const struct mr_variant_record *record,
                    const struct mr_variant_place *place)
{
    if (file->count == file->capacity) {
        uint32_t capacity = MR_MAX(2 * file->capacity, 64u);
        struct mr_variant_row *rows = realloc(file->rows, capacity * sizeof(*rows));
        if (rows == NULL)
            return false;
        file->rows = rows;
        file->capacity = capacity;
    }
    file->rows[file->count++] = (struct mr_variant_row){.key = record->key, .offset = place->offset, .len = place->len};
    return true;
}

int mr_variant_file_append(struct mr_variant_file *file, struct mr_variant_place *place,
                           const struct mr_variant_record *record, struct mr_slice bytes,
                           struct mr_disk_failure *failure)
{
    struct record_head head;
    MR_ASSERT(file->fd >= 0 && file->count < MR_VARIANT_FILE_ROWS_MAX && bytes.len > 0 &&
              mr_variant_file_size_with(file, bytes.len) <= UINT32_MAX);
    make_head(&head, record, bytes);
    struct iovec runs[] = {{.iov_base = &head, .iov_len = sizeof(head)},
                           {.iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len}}; /* they are only read */
    *place = (struct mr_variant_place){
        .file = file->number, .offset = (uint32_t)file->size, .len = (uint32_t)(sizeof(head) + bytes.len)};
    int err = mr_disk_write_runs(file->fd, runs, (int)MR_ARRAY_SIZE(runs), file->size, failure);
    if (err != MR_OK)
        return err;
    if (!add_row(file, record, place)) {
        *failure = (struct mr_disk_failure){.operation = MR_DISK_WRITE, .error_number = ENOMEM};
        return MR_EMEMORY;
    }
    file->size += place->len;
    return MR_OK;
}

static int write_rows(const struct mr_variant_file *file, struct mr_disk_failure *failure)
{
    size_t len = file->count * sizeof(*file->rows);
    struct file_foot foot = {.magic = FOOT_MAGIC, .count = file->count, .table_at = file->size};
    if (file->count == 0)
        return MR_OK; /* a scan of it ends at once */
    foot.table_sum = XXH3_64bits(file->rows, len);
    foot.sum = sum_of_foot(&foot);
    struct iovec runs[] = {{.iov_base = file->rows, .iov_len = len}, {.iov_base = &foot, .iov_len = sizeof(foot)}};
    int err = mr_disk_write_runs(file->fd, runs, (int)MR_ARRAY_SIZE(runs), file->size, failure);
    if (err != MR_OK)
        return err;
    return mr_disk_write(file->fd, &file->size, sizeof(file->size), offsetof(struct file_head, table_at), failure);
}

int mr_variant_file_close(struct mr_variant_file *file, struct mr_disk_failure *failure)
{
    struct mr_disk_failure closing;
    if (file->fd < 0)
        return MR_OK;
    int err = write_rows(file, failure);
    if (mr_disk_close(&file->fd, err == MR_OK ? failure : &closing) != MR_OK && err == MR_OK)
        err = MR_EIO;
    free(file->rows);
    *file = (struct mr_variant_file){.fd = -1};
    return err;
}

/* ---- reading ---- */

struct file_walk {
    int fd;
    uint32_t number;
    uint64_t size, *end; /* of the file, of its records */
    uint64_t table_at;   /* as its head says */
    mr_variant_file_take *take;
    void *context;
    int err; /* of the disk */
    struct mr_disk_failure *failure;
};

/* All `len` bytes. False: the file ends before, or there is an error. */
static bool read_whole(struct file_walk *walk, void *bytes, size_t len, uint64_t offset)
{
    size_t got;
    walk->err = mr_disk_read(walk->fd, bytes, len, offset, &got, walk->failure);
    return walk->err == MR_OK && got == len;
}

static void take_record(const struct file_walk *walk, const struct mr_variant_key *key, uint32_t offset, uint32_t len)
{
    const struct mr_variant_place place = {.file = walk->number, .offset = offset, .len = len};
    walk->take(walk->context, key, &place);
}

static bool is_row(const struct mr_variant_row *row, uint64_t end)
{
    return row->offset >= sizeof(struct file_head) && row->len > MR_VARIANT_HEAD_SIZE &&
           (uint64_t)row->offset + row->len <= end;
}

/* False: it has none. */
static bool read_foot(struct file_walk *walk, struct file_foot *foot)
{
    if (walk->size < sizeof(struct file_head) + sizeof(*foot) ||
        !read_whole(walk, foot, sizeof(*foot), walk->size - sizeof(*foot)))
        return false;
    return foot->magic == FOOT_MAGIC && foot->sum == sum_of_foot(foot) && foot->table_at == walk->table_at &&
           foot->count > 0 && foot->count <= MR_VARIANT_FILE_ROWS_MAX && foot->table_at <= walk->size &&
           foot->table_at + size_of_table(foot->count) == walk->size;
}

/* False: there is no table that is right. */
static bool read_table(struct file_walk *walk)
{
    struct file_foot foot;
    if (!read_foot(walk, &foot))
        return false;
    size_t len = foot.count * sizeof(struct mr_variant_row);
    struct mr_variant_row *rows = malloc(len);
    bool is_right =
        rows != NULL && read_whole(walk, rows, len, foot.table_at) && XXH3_64bits(rows, len) == foot.table_sum;
    for (uint32_t i = 0; is_right && i < foot.count; i++) {
        if (is_row(&rows[i], foot.table_at))
            take_record(walk, &rows[i].key, rows[i].offset, rows[i].len);
    }
    free(rows);
    *walk->end = foot.table_at;
    return is_right;
}

static void scan_heads(struct file_walk *walk)
{
    struct record_head head;
    uint64_t at = sizeof(struct file_head);
    for (uint32_t i = 0; i < MR_VARIANT_FILE_ROWS_MAX; i++) {
        if (!read_whole(walk, &head, sizeof(head), at) || !is_head(&head))
            break;
        uint32_t len = MR_VARIANT_HEAD_SIZE + head.len;
        if (at + len > MR_MIN(walk->size, UINT32_MAX))
            break;
        take_record(walk, &head.key, (uint32_t)at, len);
        at += len;
    }
    *walk->end = at;
}

int mr_variant_file_read(int fd, uint32_t number, uint64_t *size, mr_variant_file_take *take, void *context,
                         struct mr_disk_failure *failure)
{
    const struct file_head expected = {.word = FILE_WORD};
    struct file_head head;
    struct mr_disk_info info;
    *size = 0;
    int err = mr_disk_stat(&info, fd, failure);
    if (err != MR_OK)
        return err;
    struct file_walk walk = {.fd = fd,
                             .number = number,
                             .size = info.size,
                             .end = size,
                             .take = take,
                             .context = context,
                             .failure = failure};
    if (!read_whole(&walk, &head, sizeof(head), 0) || memcmp(head.word, expected.word, sizeof(head.word)) != 0)
        return walk.err != MR_OK ? walk.err : MR_EPARAM;
    walk.table_at = head.table_at;
    if (!read_table(&walk) && walk.err == MR_OK)
        scan_heads(&walk);
    return walk.err;
}
