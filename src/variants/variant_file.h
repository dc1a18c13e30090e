/* variant_file.h -- a file of variants: records one behind the other, and behind the last of them, once the file is
 * closed, their table.
 *
 *      | head | record | record | ... | table | foot |
 *
 * A record is a head of fixed length, with a checksum of its own, and the bytes of an image, whose checksum stands in
 * the head. Nothing is synced: after a loss of power a file may hold anything, and what its checksum does not fit was
 * never there. The numbers in it are the machine's own (native order): it is a cache of this machine.
 *
 * Everything here blocks: before the loops run, or on a file thread. Only mr_variant_record_decode() and the sizes are
 * for any thread. */
#ifndef MR_VARIANTS_VARIANT_FILE_H
#define MR_VARIANTS_VARIANT_FILE_H

#include "base/slice.h"
#include "io/disk.h"
#include "media/scan/identify.h"
#include "store/ulid.h"
#include "variants/variant_key.h"

#define MR_VARIANT_FILE_NAME_SIZE 20
#define MR_VARIANT_FILE_ROWS_MAX  65536 /* records in one file */
#define MR_VARIANT_HEAD_SIZE      104   /* of a record */

/* What is known of an image beside its bytes. */
struct mr_variant_record {
    struct mr_variant_key key;
    char id[MR_ULID_LEN + 1]; /* of the object that it was made of */
    enum mr_image_format format;
    uint32_t width, height;
};

/* Where a record lies. */
struct mr_variant_place {
    uint32_t file;        /* its number, from 1 */
    uint32_t offset, len; /* of head and bytes */
};

/* "0000000012.cache" */
void mr_variant_file_name(char out[MR_VARIANT_FILE_NAME_SIZE], uint32_t number);
/* False: it is none of ours. */
bool mr_variant_file_number(const char *name, uint32_t *number);

/* ---- writing, one thread at a time ---- */

struct mr_variant_row;

struct mr_variant_file {
    int fd; /* -1: none is open */
    uint32_t number;
    uint64_t size; /* the end of its records */
    struct mr_variant_row *rows;
    uint32_t count, capacity;
};

/* The bytes that it has when it is closed, its table included; and with one record more: `len` are those of the image.
 */
uint64_t mr_variant_file_size(const struct mr_variant_file *file);
uint64_t mr_variant_file_size_with(const struct mr_variant_file *file, size_t len);

/* MR_OK, or an error and nothing is open. */
int mr_variant_file_create(struct mr_variant_file *file, int directory, uint32_t number,
                           struct mr_disk_failure *failure);
/* After a failure the file is as it was, and what was written is overwritten by the next record. */
int mr_variant_file_append(struct mr_variant_file *file, struct mr_variant_place *place,
                           const struct mr_variant_record *record, struct mr_slice bytes,
                           struct mr_disk_failure *failure);
/* Write the table, and close. The file is closed in any case; without its table it is scanned. */
int mr_variant_file_close(struct mr_variant_file *file, struct mr_disk_failure *failure);

/* ---- reading ---- */

typedef void mr_variant_file_take(void *context, const struct mr_variant_key *key,
                                  const struct mr_variant_place *place);

/* Call take() with each record of the open file, as its table says; without a table that is right, its heads are read
 * one after the other, until one is wrong or the file ends. The bytes of the images are not read. *size: where the
 * records end. MR_EPARAM: it is no file of variants, or of another version. */
int mr_variant_file_read(int fd, uint32_t number, uint64_t *size, mr_variant_file_take *take, void *context,
                         struct mr_disk_failure *failure);

/* Of the bytes of a whole record: is it the one with that key, and undamaged? *image is in them. */
bool mr_variant_record_decode(struct mr_variant_record *out, struct mr_slice *image, struct mr_slice record,
                              const struct mr_variant_key *key);

#endif
