#include "base/assert.h"
#include "base/number.h"
#include "store/fs/meta_internal.h"
#include <stdlib.h>
#include <xxhash.h>

#define MAGIC   "millrace-object "
#define VERSION 1

enum {
    SUM_LEN = 16,
    LINE_SIZE = 80, /* more than the longest line and a NUL */
};

int mr_meta_refuse(struct mr_fault *fault, const char *why)
{
    return mr_fault_set(fault, MR_EIO, "The metadata of an object is damaged: %s.", why);
}

/* The line and its newline, and a NUL. Returns its length. */
static size_t write_first_line(char out[LINE_SIZE], const size_t lengths[MR_META_PARTS], const char *bytes)
{
    size_t len = sizeof(MAGIC) - 1;
    memcpy(out, MAGIC, sizeof(MAGIC));
    len += mr_number_write(out + len, VERSION);
    for (size_t i = 0; i < MR_META_PARTS; i++) {
        out[len++] = ' ';
        len += mr_number_write(out + len, lengths[i]);
    }
    out[len++] = ' ';
    mr_number_write_hex(out + len, XXH3_64bits(bytes, lengths[0] + lengths[1] + lengths[2]), SUM_LEN);
    len += SUM_LEN;
    out[len++] = '\n';
    out[len] = '\0';
    return len;
}

static void copy_part(char **to, struct mr_slice part)
{
    if (part.len > 0)
        memcpy(*to, part.at, part.len);
    *to += part.len;
}

/* The parts lie behind the room for the line, which is written when they are there, and then moved up to them. */
int mr_meta_join(const struct mr_slice parts[MR_META_PARTS], char **out, size_t *out_len, struct mr_fault *fault)
{
    char line[LINE_SIZE];
    size_t lengths[MR_META_PARTS] = {parts[0].len, parts[1].len, parts[2].len};
    size_t body = lengths[0] + lengths[1] + lengths[2];
    char *bytes = malloc(LINE_SIZE + body);
    if (bytes == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    char *to = bytes + LINE_SIZE;
    for (size_t i = 0; i < MR_META_PARTS; i++)
        copy_part(&to, parts[i]);
    size_t len = write_first_line(line, lengths, bytes + LINE_SIZE);
    if (len + body > MR_META_MAX) {
        free(bytes);
        return mr_fault_limit(fault, MR_EPARAM, "object", MR_META_MAX, len + body);
    }
    memcpy(bytes, line, len);
    memmove(bytes + len, bytes + LINE_SIZE, body);
    *out = bytes;
    *out_len = len + body;
    return MR_OK;
}

/* Cut a length and the space behind it. */
static bool cut_length(struct mr_slice *line, size_t max, size_t *out)
{
    uint64_t value;
    if (!mr_number_cut(line, max, &value) || line->len == 0 || line->at[0] != ' ')
        return false;
    line->at++;
    line->len--;
    *out = (size_t)value;
    return true;
}

static int read_version(struct mr_slice *line, struct mr_fault *fault)
{
    uint64_t version;
    if (line->len < sizeof(MAGIC) - 1 || memcmp(line->at, MAGIC, sizeof(MAGIC) - 1) != 0)
        return mr_meta_refuse(fault, "it does not begin as one does");
    line->at += sizeof(MAGIC) - 1;
    line->len -= sizeof(MAGIC) - 1;
    if (!mr_number_cut(line, UINT32_MAX, &version) || line->len == 0 || line->at[0] != ' ')
        return mr_meta_refuse(fault, "its first line is malformed");
    line->at++;
    line->len--;
    if (version == VERSION)
        return MR_OK;
    return mr_fault_set(fault, MR_EIO, "The metadata of an object is of version %u, which this program does not know.",
                        (unsigned)version);
}

/* Check the line and all that it says, and find the parts. */
int mr_meta_cut(struct mr_slice bytes, struct mr_slice parts[MR_META_PARTS], struct mr_fault *fault)
{
    static const size_t maxima[MR_META_PARTS] = {MR_META_HEAD_MAX, MR_META_PRIVATE_MAX, MR_META_PAYLOAD_MAX};
    size_t lengths[MR_META_PARTS];
    struct mr_slice line = {bytes.at, MR_MIN(bytes.len, LINE_SIZE)};
    int err = read_version(&line, fault);
    if (err != MR_OK)
        return err;
    for (size_t i = 0; i < MR_META_PARTS; i++)
        if (!cut_length(&line, maxima[i], &lengths[i]))
            return mr_meta_refuse(fault, "its first line is malformed");
    size_t body = lengths[0] + lengths[1] + lengths[2], line_len = (size_t)(line.at - bytes.at) + SUM_LEN + 1;
    if (bytes.len > MR_META_MAX || bytes.len != line_len + body)
        return mr_meta_refuse(fault, "its length is not what its first line says");
    char again[LINE_SIZE];
    const char *at = bytes.at + line_len;
    if (write_first_line(again, lengths, at) != line_len || memcmp(again, bytes.at, line_len) != 0)
        return mr_meta_refuse(fault, "its checksum is another");
    for (size_t i = 0; i < MR_META_PARTS; at += lengths[i], i++)
        parts[i] = (struct mr_slice){at, lengths[i]};
    return MR_OK;
}

/* What is malformed is refused soon. */
bool mr_meta_is_quick(struct mr_slice bytes)
{
    struct mr_slice line = {bytes.at, MR_MIN(bytes.len, LINE_SIZE)};
    size_t head;
    return read_version(&line, NULL) != MR_OK || !cut_length(&line, MR_META_HEAD_MAX, &head) ||
           head <= MR_META_QUICK_MAX;
}
