/* DESIGN: the stage lies in guarded memory. From open() on it is only read: many work() of it run at once. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/age/age.h"
#include "media/age/age_stream.h"
#include "media/age/age_wrap.h"
#include "media/age/secret.h"
#include <sodium.h>

enum {
    OPEN_OUT_MAX = MR_AGE_HEADER_SIZE(MR_AGE_RECIPIENTS_MAX) + MR_AGE_NONCE,
    RECIPIENT_TEXT_MAX = 4096,
};

_Static_assert(OPEN_OUT_MAX <= MR_AGE_PIECE_CHUNKS * MR_AGE_SEALED, "the header has room where a piece has it");

struct encrypt {
    struct mr_budget *budget; /* borrowed */
    size_t chunks;            /* of a piece */
    size_t recipient_count;
    uint8_t recipients[MR_AGE_RECIPIENTS_MAX][MR_AGE_KEY];
    bool armor;
    struct mr_age_passphrase passphrase; /* until open() */
    uint8_t payload_key[MR_AGE_KEY];     /* from open() on */
};

enum { RECIPIENT, ARMOR, PARAM_COUNT };

static const struct mr_param_spec params[PARAM_COUNT + 1] = {
    [RECIPIENT] = {.name = "recipient",
                   .type = MR_PARAM_TEXT,
                   .max = RECIPIENT_TEXT_MAX,
                   .text = "public key (age1...) of who can decrypt; may be given up to 32 times"},
    [ARMOR] = {.name = "armor", .type = MR_PARAM_BOOL, .text = "write text (PEM) instead of bytes"},
};

_Static_assert(MR_AGE_RECIPIENTS_MAX == 32, "as the text says");

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    struct encrypt *stage = mr_secret_take(sizeof(*stage));
    if (stage == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    stage->budget = env->budget;
    stage->chunks = env->large_pieces ? MR_AGE_LARGE_CHUNKS : MR_AGE_PIECE_CHUNKS;
    int err = mr_age_passphrase_set(&stage->passphrase, env->passphrase, fault);
    if (err != MR_OK)
        mr_secret_give_back(stage);
    else
        *out = stage;
    return err;
}

static void destroy(void *stage)
{
    mr_secret_give_back(stage); /* wipes */
}

static int set_recipient(struct encrypt *stage, struct mr_slice text, struct mr_fault *fault)
{
    if (stage->recipient_count == MR_AGE_RECIPIENTS_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "recipient", MR_AGE_RECIPIENTS_MAX, MR_AGE_RECIPIENTS_MAX + 1);
    int err = mr_age_recipient_read(stage->recipients[stage->recipient_count], text, fault);
    if (err == MR_OK)
        stage->recipient_count++;
    return err;
}

static int set(void *self, const struct mr_param_spec *spec, const struct mr_param_value *value, struct mr_fault *fault)
{
    struct encrypt *stage = self;
    if (spec - params == RECIPIENT)
        return set_recipient(stage, value->text, fault);
    MR_ASSERT(spec - params == ARMOR);
    stage->armor = value->flag;
    return MR_OK;
}

static int check(void *self, struct mr_fault *fault)
{
    const struct encrypt *stage = self;
    bool to_keys = stage->recipient_count > 0, to_passphrase = stage->passphrase.len > 0;
    if (!to_keys && !to_passphrase)
        return mr_fault_set(fault, MR_EPARAM, "encrypt needs a recipient (age1...) or a passphrase.");
    if (to_keys && to_passphrase)
        return mr_fault_set(fault, MR_EPARAM, "encrypt takes a recipient or a passphrase, not both.");
    return MR_OK;
}

static void sizes(const void *self, struct mr_stage_sizes *out)
{
    const struct encrypt *stage = self;
    *out = (struct mr_stage_sizes){
        .piece = stage->chunks * MR_AGE_CHUNK,
        .out_max = stage->chunks * MR_AGE_SEALED,
        .open_is_heavy = stage->passphrase.len > 0,
    };
}

/* Wrap the file key for everybody. *count: stanzas made. */
static int wrap_file_key(struct mr_age_stanza *stanzas, size_t *count, const struct encrypt *stage,
                         const uint8_t file_key[MR_AGE_FILE_KEY], struct mr_fault *fault)
{
    *count = 1;
    if (stage->passphrase.len > 0)
        return mr_age_wrap_scrypt(stanzas, file_key, &stage->passphrase, stage->budget, fault);
    *count = stage->recipient_count;
    int err = MR_OK;
    for (size_t i = 0; i < *count && err == MR_OK; i++)
        err = mr_age_wrap_x25519(&stanzas[i], file_key, stage->recipients[i], fault);
    return err;
}

/* The header and the nonce. */
static size_t begin_file(uint8_t *out, struct encrypt *stage, const struct mr_age_stanza *stanzas, size_t count,
                         const uint8_t file_key[MR_AGE_FILE_KEY])
{
    size_t len = mr_age_header_write((char *)out, stanzas, count, file_key);
    randombytes_buf(out + len, MR_AGE_NONCE);
    mr_age_stream_key(stage->payload_key, file_key, out + len);
    return len + MR_AGE_NONCE;
}

static int open_stage(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct encrypt *stage = self;
    struct mr_age_stanza stanzas[MR_AGE_RECIPIENTS_MAX];
    uint8_t file_key[MR_AGE_FILE_KEY];
    size_t count;
    (void)cancel; /* 2 ms at most, or a scrypt, which cannot be stopped */
    MR_ASSERT(piece->out_size >= OPEN_OUT_MAX);
    randombytes_buf(file_key, sizeof(file_key));
    int err = wrap_file_key(stanzas, &count, stage, file_key, fault);
    if (err == MR_OK) {
        piece->out_len = begin_file(piece->out, stage, stanzas, count, file_key);
        piece->in_used = 0;
        piece->status = MR_STAGE_OPEN;
    }
    sodium_memzero(file_key, sizeof(file_key));
    sodium_memzero(&stage->passphrase, sizeof(stage->passphrase));
    return err;
}

static int work(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    const struct encrypt *stage = self;
    (void)cancel; /* 40 us, large ones 160 */
    size_t full = stage->chunks * MR_AGE_CHUNK;
    MR_ASSERT(piece->last ? piece->in_len <= full : piece->in_len == full);
    MR_ASSERT(piece->out_size >= stage->chunks * MR_AGE_SEALED);
    piece->status = MR_STAGE_DONE;
    return mr_age_seal(piece->out, &piece->out_len, stage->payload_key, piece->index * stage->chunks, piece->in,
                       piece->in_len, piece->last, fault);
}

static const struct mr_stage_ops *wrap(const void *self)
{
    const struct encrypt *stage = self;
    return stage->armor ? &mr_stage_armor : NULL;
}

const struct mr_stage_ops mr_stage_encrypt = {
    .name = "encrypt",
    .text = "encrypt for recipients (age1...) or a passphrase, as the program age does",
    .media_type = "application/octet-stream",
    .suffix = ".age",
    .kind = MR_STAGE_PARALLEL,
    .params = params,
    .create = create,
    .set = set,
    .check = check,
    .sizes = sizes,
    .open = open_stage,
    .work = work,
    .destroy = destroy,
    .wrap = wrap,
};
