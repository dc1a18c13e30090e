/* The test vectors of age (c2sp.org/CCTV/age), where MILLRACE_AGE_VECTORS names a directory with one file each: fields,
 * an empty line, and an age file, perhaps compressed. Skipped without. Of the vectors for post-quantum identities,
 * which are not supported, it is checked that the identity is refused and the file, when well-formed, has no key. */
#include "media/age/age_stream.h"
#include "media/age_files.h"
#include <dirent.h>
#include <sodium.h>
#include <zlib.h>

struct vector {
    const char *name;
    char expect[32], payload[65], passphrase[64];
    char identities[8192];
    bool post_quantum, armored, compressed;
    const uint8_t *file;
    size_t file_len;
};

static void read_field(struct vector *out, struct mr_slice name, struct mr_slice value)
{
    if (mr_slice_is(name, "expect")) {
        snprintf(out->expect, sizeof(out->expect), "%.*s", MR_SLICE_ARG(value));
    } else if (mr_slice_is(name, "payload")) {
        snprintf(out->payload, sizeof(out->payload), "%.*s", MR_SLICE_ARG(value));
    } else if (mr_slice_is(name, "passphrase") && out->passphrase[0] == '\0') {
        snprintf(out->passphrase, sizeof(out->passphrase), "%.*s", MR_SLICE_ARG(value));
    } else if (mr_slice_is(name, "identity")) {
        out->post_quantum |= value.len > 17 && memcmp(value.at, "AGE-SECRET-KEY-PQ", 17) == 0;
        size_t len = strlen(out->identities);
        snprintf(out->identities + len, sizeof(out->identities) - len, "%.*s\n", MR_SLICE_ARG(value));
    }
    out->armored |= mr_slice_is(name, "armored");
    out->compressed |= mr_slice_is(name, "compressed");
}

static void inflate_file(struct vector *vector)
{
    uLongf len = 32 * MR_MIB;
    uint8_t *bytes = stages_own(malloc(len));
    assert_int_equal(uncompress(bytes, &len, vector->file, vector->file_len), Z_OK);
    vector->file = bytes;
    vector->file_len = len;
}

static void read_vector(struct vector *out, const char *directory, const char *name)
{
    char path[512];
    enum { SIZE = 1024 * 1024 };
    char *text = stages_own(malloc(SIZE));
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct mr_slice rest = {text, fread(text, 1, SIZE, file)};
    fclose(file);
    assert_true(rest.len > 0 && rest.len < SIZE);
    *out = (struct vector){.name = name};
    for (struct mr_slice line = mr_slice_cut(&rest, '\n'); line.len > 0; line = mr_slice_cut(&rest, '\n')) {
        struct mr_slice field = mr_slice_cut(&line, ':');
        read_field(out, field, mr_slice_trim(line));
    }
    out->file = (uint8_t *)rest.at;
    out->file_len = rest.len;
    if (out->compressed)
        inflate_file(out);
}

/* Everything whose tag was right, also of the piece that failed. */
static void assert_payload(const struct vector *vector, const struct mr_stage_env *env)
{
    struct outcome file = {.at = stages_own(exact_copy(vector->file, vector->file_len)), .len = vector->file_len};
    if (vector->armored)
        file = run_well(&mr_stage_dearmor, env, "", file.at, file.len, at_once);
    struct mr_fault fault;
    struct mr_stage_sizes sizes;
    struct mr_stage_piece piece = {.in = file.at, .in_len = file.len, .last = true};
    uint8_t hash[32], *out = stages_own(malloc(file.len + 1));
    char hex[65];
    size_t len = 0;
    void *stage;
    assert_int_equal(make_stage(&stage, &mr_stage_decrypt, env, "", &fault), MR_OK);
    assert_int_equal(mr_stage_decrypt.open(stage, &piece, &stages_no_cancel, &fault), MR_OK);
    mr_stage_decrypt.sizes(stage, &sizes);
    size_t used = piece.in_used;
    int err = MR_OK;
    for (size_t i = 0; err == MR_OK && (i == 0 || used < file.len); i++) {
        size_t part = MR_MIN(file.len - used, sizes.piece);
        uint8_t *room = malloc(sizes.out_max);
        piece = (struct mr_stage_piece){.index = i,
                                        .in = file.at + used,
                                        .in_len = part,
                                        .last = used + part == file.len,
                                        .out = room,
                                        .out_size = sizes.out_max};
        err = mr_stage_decrypt.work(stage, &piece, &stages_no_cancel, &fault);
        memcpy(out + len, room, piece.out_len);
        len += piece.out_len;
        used += part;
        free(room);
    }
    mr_stage_decrypt.destroy(stage);
    crypto_hash_sha256(hash, out, len);
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    /* A stage knows where its input ends: it does not let a chunk go that others pass on before they find no more. */
    bool is_short = strncmp(vector->name, "stream_no_final", 15) == 0;
    if (vector->payload[0] != '\0' && strcmp(hex, vector->payload) != 0 && !is_short)
        fail_msg("%s: %zu bytes are not what should leave", vector->name, len);
    print_message("%-42s %zu bytes leave%s\n", vector->name, len,
                  strcmp(hex, vector->payload) != 0 ? ", fewer than the vector says" : "");
}

static bool is_expected(const struct vector *vector, const struct outcome *out)
{
    const char *expect = vector->expect, *detail = out->fault.detail;
    bool corrupt = out->err == MR_ECORRUPT;
    if (strcmp(expect, "success") == 0)
        return out->err == MR_OK;
    if (strcmp(expect, "no match") == 0)
        return out->err == MR_ENOKEY;
    if (strcmp(expect, "HMAC failure") == 0)
        return corrupt && strncmp(detail, "The MAC of the age header is wrong", 34) == 0;
    if (strcmp(expect, "header failure") == 0)
        return out->err == MR_EFORMAT || out->err == MR_EKEYWORK ||
               (corrupt && strncmp(detail, "The age header is ", 18) == 0);
    if (strcmp(expect, "payload failure") == 0)
        return corrupt && strstr(detail, "payload") != NULL;
    if (strcmp(expect, "armor failure") == 0)
        return out->err == MR_EFORMAT || (corrupt && strstr(detail, "armor") != NULL);
    return false;
}

static void check_vector(struct vector *vector)
{
    static const struct chunking chunkings[] = {{0}, {.arrival = 1000, .seed = 1, .backwards = true}};
    struct mr_stage_env env = {.identity = mr_slice_of(vector->identities[0] != '\0' ? vector->identities : NULL),
                               .passphrase = mr_slice_of(vector->passphrase[0] != '\0' ? vector->passphrase : NULL)};
    if (vector->post_quantum) { /* such identities are passed over, but where there is no other */
        int err = decrypt(vector->file, vector->file_len, &env).err;
        assert_true(err == MR_EPARAM || strstr(vector->identities, "AGE-SECRET-KEY-1") != NULL);
        env = our_identity;
        if (strcmp(vector->expect, "header failure") != 0)
            strcpy(vector->expect, "no match");
    }
    for (size_t i = 0; i < MR_ARRAY_SIZE(chunkings); i++) {
        struct outcome out = run_ops(&mr_stage_decrypt, &env, "", vector->file, vector->file_len, chunkings[i]);
        if (vector->post_quantum && out.err == MR_ENOKEY)
            continue; /* what only its own type could see is not seen */
        if (!is_expected(vector, &out))
            fail_msg("%s: %s instead of %s: %s", vector->name, mr_error_name(out.err), vector->expect,
                     out.fault.detail);
        print_message("%-42s %-16s %s %s\n", vector->name, vector->expect, mr_error_name(out.err), out.fault.detail);
    }
    if (strcmp(vector->expect, "success") == 0 || strcmp(vector->expect, "payload failure") == 0)
        assert_payload(vector, &env);
}

static void every_vector_ends_as_it_says(void **state)
{
    (void)state;
    const char *directory = getenv("MILLRACE_AGE_VECTORS");
    if (directory == NULL)
        skip();
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct vector vector;
        if (entry->d_name[0] == '.')
            continue;
        read_vector(&vector, directory, entry->d_name);
        check_vector(&vector);
        stages_end_test(state);
        count++;
    }
    closedir(entries);
    assert_true(count > 0);
    print_message("%zu vectors\n", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(every_vector_ends_as_it_says, stages_end_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
