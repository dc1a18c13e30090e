#include "store/fs/verify.h"
#include "base/macros.h"
#include "store/fs/layout.h"
#include "store/fs/metafile.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (128 * MR_KIB)

struct verification {
    int directory;
    const struct mr_meta *meta;
    EVP_MD_CTX *hash; /* of the payload as far as it was read */
    char *piece;
    struct mr_fault *fault;
};

/* A segment that has another length is not read. */
static int compare_length(const struct mr_meta_segment *segment, uint64_t len, struct mr_fault *fault)
{
    if (len == segment->stored)
        return MR_OK;
    return mr_fault_set(fault, MR_EIO, "Segment %u has %llu bytes, and %llu were written.", segment->number,
                        (unsigned long long)len, (unsigned long long)segment->stored);
}

static int hash_file(const struct verification *at, const struct mr_meta_segment *segment, int fd)
{
    struct mr_disk_failure failure;
    uint64_t offset = segment->room, end = segment->room + segment->plain;
    while (offset < end) {
        size_t want = (size_t)MR_MIN(end - offset, PIECE), got;
        int err = mr_disk_read(fd, at->piece, want, offset, &got, &failure);
        if (err != MR_OK)
            return mr_disk_fault(at->fault, &failure, "A segment cannot be read");
        if (got < want)
            return compare_length(segment, offset + got, at->fault);
        if (EVP_DigestUpdate(at->hash, at->piece, got) != 1)
            return mr_fault_set(at->fault, MR_EMEMORY, NULL);
        offset += got;
    }
    return MR_OK;
}

int mr_verify_open_segment(int *fd, int directory, const struct mr_meta *meta, size_t index, struct mr_fault *fault)
{
    const struct mr_meta_segment *segment = &meta->segments[index];
    struct mr_disk_failure failure;
    struct mr_disk_info info;
    char name[MR_LAYOUT_NAME_SIZE];
    mr_layout_object(name, meta->object.id, MR_LAYOUT_SEGMENT, segment->number);
    int err = mr_disk_open(fd, &info, directory, name, O_RDONLY, 0, &failure);
    if (err != MR_OK && failure.error_number == ENOENT)
        return mr_fault_set(fault, MR_ENOTFOUND, "Segment %u is missing.", segment->number);
    if (err != MR_OK)
        return mr_disk_fault(fault, &failure, "A segment cannot be opened");
    err = compare_length(segment, info.size, fault);
    if (err != MR_OK) {
        close(*fd);
        *fd = -1;
    }
    return err;
}

static int verify_segment(const struct verification *at, size_t index)
{
    int fd;
    int err = mr_verify_open_segment(&fd, at->directory, at->meta, index, at->fault);
    if (err == MR_ENOTFOUND) /* it is damage, as the meta is there */
        return mr_fault_set(at->fault, MR_EIO, "Segment %u is missing.", at->meta->segments[index].number);
    if (err != MR_OK)
        return err;
    err = hash_file(at, &at->meta->segments[index], fd);
    close(fd);
    return err;
}

static int check_digest(const struct verification *at)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(at->hash, digest, NULL) != 1)
        return mr_fault_set(at->fault, MR_EMEMORY, NULL);
    if (!at->meta->object.has_sha256 || memcmp(digest, at->meta->object.sha256, MR_OBJECT_SHA256_LEN) == 0)
        return MR_OK;
    return mr_fault_set(at->fault, MR_EIO, "The SHA-256 digest of the payload is another.");
}

static int verify_payload(const struct verification *at)
{
    if (at->hash == NULL || at->piece == NULL || EVP_DigestInit_ex(at->hash, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(at->hash, at->meta->payload.at, at->meta->payload.len) != 1)
        return mr_fault_set(at->fault, MR_EMEMORY, NULL);
    int err = MR_OK;
    for (size_t i = 0; i < at->meta->segment_count && err == MR_OK; i++)
        err = verify_segment(at, i);
    return err == MR_OK ? check_digest(at) : err;
}

int mr_verify_object(struct mr_verify_result *result, int directory, const char *id, struct mr_fault *fault)
{
    struct mr_metafile file;
    char name[MR_LAYOUT_NAME_SIZE];
    *result = (struct mr_verify_result){.size = 0};
    mr_layout_object(name, id, MR_LAYOUT_META, 0);
    int err = mr_metafile_read(&file, directory, name, id, fault);
    if (err != MR_OK)
        return err;
    *result = (struct mr_verify_result){.size = file.meta.object.size, .segments = file.meta.segment_count};
    struct verification at = {
        .directory = directory, .meta = &file.meta, .hash = EVP_MD_CTX_new(), .piece = malloc(PIECE), .fault = fault};
    err = verify_payload(&at);
    EVP_MD_CTX_free(at.hash);
    free(at.piece);
    mr_metafile_free(&file);
    return err;
}
