/* DESIGN: as in encrypt.c: the stage lies in guarded memory and is only read from open() on. What was only needed to
 * find the file key is wiped there. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/age/age.h"
#include "media/age/age_armor.h"
#include "media/age/age_stream.h"
#include "media/age/age_wrap.h"
#include "media/age/secret.h"
#include <sodium.h>

_Static_assert(MR_AGE_HEADER_MAX + MR_AGE_NONCE <= MR_AGE_PIECE_CHUNKS * MR_AGE_SEALED,
               "what open() asks for has room where a piece has it");

struct decrypt {
    struct mr_budget *budget;            /* borrowed, as the next one */
    const struct mr_age_keys *held;      /* or NULL */
    size_t chunks;                       /* of a piece */
    struct mr_age_keys *sent;            /* or NULL; until open() */
    struct mr_age_passphrase passphrase; /* until open() */
    uint8_t payload_key[MR_AGE_KEY];     /* from open() on */
};

static const struct mr_param_spec params[] = {{.name = NULL}};

static void destroy(void *self)
{
    struct decrypt *stage = self;
    mr_age_keys_free(&stage->sent);
    mr_secret_give_back(stage); /* wipes */
}

static int take_identity(struct decrypt *stage, struct mr_slice text, struct mr_fault *fault)
{
    if (text.at == NULL)
        return MR_OK;
    int err = mr_age_keys_create(&stage->sent);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    return mr_age_keys_add(stage->sent, text, "identity", fault);
}

static int create(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    struct decrypt *stage = mr_secret_take(sizeof(*stage));
    if (stage == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    stage->budget = env->budget;
    stage->held = env->identities;
    stage->chunks = env->large_pieces ? MR_AGE_LARGE_CHUNKS : MR_AGE_PIECE_CHUNKS;
    int err = mr_age_passphrase_set(&stage->passphrase, env->passphrase, fault);
    if (env->work_factor != 0)
        stage->passphrase.work_factor = env->work_factor;
    if (err == MR_OK)
        err = take_identity(stage, env->identity, fault);
    if (err != MR_OK)
        destroy(stage);
    else
        *out = stage;
    return err;
}

static void sizes(const void *self, struct mr_stage_sizes *out)
{
    const struct decrypt *stage = self;
    *out = (struct mr_stage_sizes){
        .piece = stage->chunks * MR_AGE_SEALED,
        .out_max = stage->chunks * MR_AGE_CHUNK,
        .open_is_heavy = stage->passphrase.len > 0,
    };
}

/* MR_OK, MR_ENOKEY without a fault, or what ends the search. */
static int try_identities(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                          const struct mr_age_keys *keys, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        int err = mr_cancel_check(cancel);
        if (err != MR_OK)
            return mr_fault_set(fault, err, NULL);
        err = mr_age_unwrap_x25519(file_key, stanza, &keys->identities[i], fault);
        if (err != MR_ENOKEY)
            return err;
    }
    return MR_ENOKEY;
}

static int try_passphrase(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                          const struct decrypt *stage, struct mr_fault *fault)
{
    if (stage->passphrase.len == 0)
        return mr_fault_set(fault, MR_ENOKEY, "The file is encrypted to a passphrase, and none was sent.");
    return mr_age_unwrap_scrypt(file_key, stanza, &stage->passphrase, stage->budget, fault);
}

static int find_file_key(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_header *header,
                         const struct decrypt *stage, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct mr_age_stanza stanza;
    bool is_hybrid = false;
    for (struct mr_slice rest = header->stanzas; mr_age_header_next(&rest, &stanza);) {
        if (stanza.type == MR_AGE_SCRYPT) /* then it is the only one */
            return try_passphrase(file_key, &stanza, stage, fault);
        is_hybrid |= stanza.type == MR_AGE_HYBRID;
        if (stanza.type != MR_AGE_X25519)
            continue;
        int err = try_identities(file_key, &stanza, stage->sent, cancel, fault);
        if (err == MR_ENOKEY)
            err = try_identities(file_key, &stanza, stage->held, cancel, fault);
        if (err != MR_ENOKEY)
            return err;
    }
    return mr_fault_set(fault, MR_ENOKEY,
                        is_hybrid ? "The file is encrypted to a post-quantum key, which is not supported." : NULL);
}

/* The payload key of a header that is all there. */
static int unlock(struct decrypt *stage, const struct mr_age_header *header, const uint8_t nonce[MR_AGE_NONCE],
                  const struct mr_cancel *cancel, struct mr_fault *fault)
{
    uint8_t file_key[MR_AGE_FILE_KEY];
    int err = find_file_key(file_key, header, stage, cancel, fault);
    if (err == MR_OK && !mr_age_header_is_signed(header, file_key))
        err = mr_fault_set(fault, MR_ECORRUPT, "The MAC of the age header is wrong.");
    if (err == MR_OK)
        mr_age_stream_key(stage->payload_key, file_key, nonce);
    sodium_memzero(file_key, sizeof(file_key));
    return err;
}

static void forget_keys(struct decrypt *stage)
{
    mr_age_keys_free(&stage->sent);
    sodium_memzero(&stage->passphrase, sizeof(stage->passphrase));
}

static int open_stage(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct decrypt *stage = self;
    struct mr_age_header header;
    struct mr_slice input = {.at = (const char *)piece->in, .len = piece->in_len};
    piece->out_len = 0;
    piece->in_used = 0;
    piece->status = MR_STAGE_WANT;
    int err = mr_age_header_read(&header, input, piece->last, fault);
    if (err != MR_OK)
        return err;
    bool is_all = header.len > 0 && input.len - header.len >= MR_AGE_NONCE;
    if (!is_all && !piece->last)
        return MR_OK;
    if (!is_all)
        return mr_fault_set(fault, MR_ECORRUPT, "The age header is cut short.");
    err = unlock(stage, &header, piece->in + header.len, cancel, fault);
    if (err != MR_OK)
        return err;
    forget_keys(stage);
    piece->in_used = header.len + MR_AGE_NONCE;
    piece->status = MR_STAGE_OPEN;
    return MR_OK;
}

static int work(void *self, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    const struct decrypt *stage = self;
    (void)cancel; /* 40 us, large ones 160 */
    size_t full = stage->chunks * MR_AGE_SEALED;
    MR_ASSERT(piece->last ? piece->in_len <= full : piece->in_len == full);
    MR_ASSERT(piece->out_size >= stage->chunks * MR_AGE_CHUNK);
    piece->status = MR_STAGE_DONE;
    return mr_age_open(piece->out, &piece->out_len, stage->payload_key, piece->index * stage->chunks, piece->in,
                       piece->in_len, piece->last, fault);
}

const struct mr_stage_ops mr_stage_decrypt = {
    .name = "decrypt",
    .text = "decrypt a file of age, with or without armor",
    .media_type = "application/octet-stream",
    .suffix = ".age",
    .is_undone = true,
    .kind = MR_STAGE_PARALLEL,
    .params = params,
    .create = create,
    .sizes = sizes,
    .open = open_stage,
    .work = work,
    .destroy = destroy,
    .sniff = mr_age_armor_sniff,
};
