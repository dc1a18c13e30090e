#include "media/digest/sha256.h"

#include "base/assert.h"
#include "base/macros.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (256 * MR_KIB)

struct sha256 {
    EVP_MD_CTX *context; /* NULL: no byte came yet */
    bool is_done;
    uint8_t result[MR_SHA256_LEN];
};

void mr_sha256(uint8_t out[MR_SHA256_LEN], const void *bytes, size_t len)
{
    int ok = EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL);
    MR_ASSERT(ok == 1); /* it fails for want of memory */
}

static int sha256_create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    (void)env;
    *out = calloc(1, sizeof(struct sha256));
    return *out != NULL ? MR_OK : mr_fault_set(fault, MR_EMEMORY, NULL);
}

static void sha256_destroy(void *stage)
{
    struct sha256 *self = stage;
    EVP_MD_CTX_free(self->context);
    free(self);
}

static void sha256_sizes(const void *stage, struct mr_stage_sizes *out)
{
    (void)stage;
    *out = (struct mr_stage_sizes){.piece = PIECE, .out_max = PIECE, .is_cheap = true};
}

/* On the worker, since libcrypto reads its configuration the first time. */
static bool sha256_begin(struct sha256 *self)
{
    if (self->context != NULL)
        return true;
    self->context = EVP_MD_CTX_new();
    return self->context != NULL && EVP_DigestInit_ex(self->context, EVP_sha256(), NULL) == 1;
}

static int sha256_work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                       struct mr_fault *fault)
{
    struct sha256 *self = stage;
    size_t len = MR_MIN(piece->in_len, piece->out_size);
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    if (!sha256_begin(self) || EVP_DigestUpdate(self->context, piece->in, len) != 1)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    memcpy(piece->out, piece->in, len);
    piece->out_len = piece->in_used = len;
    piece->status = MR_STAGE_WANT;
    if (len < piece->in_len) {
        piece->status = MR_STAGE_FULL;
    } else if (piece->last) {
        self->is_done = EVP_DigestFinal_ex(self->context, self->result, NULL) == 1;
        MR_ASSERT(self->is_done);
        piece->status = MR_STAGE_DONE;
    }
    return MR_OK;
}

const uint8_t *mr_stage_sha256_result(const void *stage)
{
    const struct sha256 *self = stage;
    return self->is_done ? self->result : NULL;
}

static const struct mr_param_spec sha256_params[] = {{.name = NULL}};

const struct mr_stage_ops mr_stage_sha256 = {
    .name = "sha256",
    .text = "pass on what comes, and know its digest",
    .media_type = "application/octet-stream",
    .kind = MR_STAGE_SEQUENTIAL,
    .params = sha256_params,
    .create = sha256_create,
    .sizes = sha256_sizes,
    .work = sha256_work,
    .destroy = sha256_destroy,
};
