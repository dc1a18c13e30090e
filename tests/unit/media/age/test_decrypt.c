#include "media/age/age_stream.h"
#include "media/age_files.h"
#include <pthread.h>

/* Keys of a server, one of them ours. */
static struct mr_age_keys *held_keys(void)
{
    struct mr_age_keys *keys;
    static const char other[] = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0\n" IDENTITY;
    assert_int_equal(mr_age_keys_create(&keys), MR_OK);
    assert_int_equal(mr_age_keys_add(keys, MR_SLICE(other), "test", NULL), MR_OK);
    return keys;
}

static void identities_of_the_server_and_of_the_request_are_tried(void **state)
{
    (void)state;
    struct mr_age_keys *keys = held_keys();
    struct outcome out = encrypt("hello", 5, TO_US);
    assert_plain(decrypt(out.at, out.len, &(struct mr_stage_env){.identities = keys}), "hello", 5);
    assert_plain(decrypt(out.at, out.len, &our_identity), "hello", 5);
    static const char two[] =
        "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0\n" IDENTITY "\n";
    assert_plain(decrypt(out.at, out.len, &(struct mr_stage_env){.identity = MR_SLICE(two)}), "hello", 5);
    mr_age_keys_free(&keys);
}

static void file_for_others_is_not_opened(void **state)
{
    (void)state;
    struct mr_stage_env env = {
        .identity = MR_SLICE("AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0")};
    struct outcome out = encrypt("hello", 5, TO_US);
    assert_error(decrypt(out.at, out.len, &env), MR_ENOKEY);
    assert_error(decrypt(out.at, out.len, &nothing_at_hand), MR_ENOKEY);
    assert_error(decrypt(out.at, out.len, &(struct mr_stage_env){.passphrase = MR_SLICE("x")}), MR_ENOKEY);
}

static void identity_that_is_none_is_refused_without_being_said(void **state)
{
    (void)state;
    struct mr_stage_env env = {.identity = MR_SLICE("AGE-SECRET-KEY-1GFPYYSJZ")};
    struct outcome out = decrypt("", 0, &env);
    assert_error(out, MR_EPARAM);
    assert_null(strstr(out.fault.detail, "GFPYY"));
    env.identity = MR_SLICE("");
    assert_error(decrypt("", 0, &env), MR_EPARAM);
}

static void other_bytes_are_no_age_file(void **state)
{
    (void)state;
    assert_error(decrypt("", 0, &our_identity), MR_EFORMAT);
    assert_error(decrypt("hello", 5, &our_identity), MR_EFORMAT);
    assert_error(decrypt("age-encryption.org/v2\n", 22, &our_identity), MR_EFORMAT);
}

static void every_cut_is_found_at_any_chunking(void **state)
{
    (void)state;
    struct outcome out = encrypt("hello", 5, TO_US);
    for (size_t len = 0; len < out.len; len++) {
        int expected = len < 22 ? MR_EFORMAT : MR_ECORRUPT;
        assert_error(decrypt(out.at, len, &our_identity), expected);
        assert_error(
            run_ops(&mr_stage_decrypt, &our_identity, "", out.at, len, (struct chunking){.arrival = 60, .seed = 1}),
            expected);
    }
}

static void every_changed_byte_is_found_and_nothing_leaves(void **state)
{
    (void)state;
    struct outcome file = encrypt("hello", 5, TO_US);
    for (size_t i = 0; i < file.len; i++) {
        file.at[i] ^= 1;
        struct outcome out = decrypt(file.at, file.len, &our_identity);
        assert_true(out.err == MR_ECORRUPT || out.err == MR_ENOKEY || (out.err == MR_EFORMAT && i < 22));
        assert_int_equal(out.len, 0);
        file.at[i] ^= 1;
    }
}

static void wrong_mac_is_said_before_the_payload_is_looked_at(void **state)
{
    (void)state;
    struct outcome file = encrypt("hello", 5, TO_US);
    uint8_t *mac = file.at + 22 + 54 + 44; /* behind the version and the stanza */
    assert_memory_equal(mac, "--- ", 4);
    mac[4] = mac[4] == 'A' ? 'B' : 'A';
    file.at[file.len - 1] ^= 1;
    struct outcome out = decrypt(file.at, file.len, &our_identity);
    assert_error(out, MR_ECORRUPT);
    assert_non_null(strstr(out.fault.detail, "MAC"));
}

static void pieces_before_a_damaged_one_leave_and_none_behind_it(void **state)
{
    (void)state;
    enum { LEN = 8 * MR_AGE_CHUNK };
    const uint8_t *bytes = random_bytes(LEN, 3);
    struct outcome file = encrypt(bytes, LEN, TO_US);
    file.at[file.len - 3 * MR_AGE_SEALED] ^= 1; /* in the third piece of four */
    for (int backwards = 0; backwards < 2; backwards++) {
        struct outcome out =
            run_ops(&mr_stage_decrypt, &our_identity, "", file.at, file.len, (struct chunking){.backwards = backwards});
        assert_error(out, MR_ECORRUPT);
        assert_int_equal(out.len, 4 * MR_AGE_CHUNK);
        assert_memory_equal(out.at, bytes, out.len);
    }
}

static void trailing_bytes_are_found(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 5, MR_AGE_CHUNK, 2 * MR_AGE_CHUNK};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        struct outcome file = encrypt(random_bytes(lengths[i], 4), lengths[i], TO_US);
        uint8_t *longer = stages_own(calloc(1, file.len + 100));
        memcpy(longer, file.at, file.len);
        assert_error(decrypt(longer, file.len + 1, &our_identity), MR_ECORRUPT);
        assert_error(decrypt(longer, file.len + 16, &our_identity), MR_ECORRUPT);
        assert_error(decrypt(longer, file.len + 100, &our_identity), MR_ECORRUPT);
    }
}

/* A file for a passphrase with this work factor; its body is no file key. */
static struct outcome with_work_factor(const char *factor, const struct mr_stage_env *env)
{
    char text[256];
    snprintf(text, sizeof(text),
             "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA %s\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
             "--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef0123456789abcdef",
             factor);
    return decrypt(text, strlen(text), env);
}

static void passphrase_failures_are_told_apart(void **state)
{
    (void)state;
    struct mr_stage_env env = {.passphrase = MR_SLICE("password")};
    assert_error(with_work_factor("10", &env), MR_ENOKEY);
    assert_error(with_work_factor("10", &our_identity), MR_ENOKEY);
    assert_error(with_work_factor("010", &env), MR_ECORRUPT);
    struct outcome out = with_work_factor("19", &env);
    assert_error(out, MR_EKEYWORK);
    assert_int_equal(out.fault.limit, 18);
    assert_int_equal(out.fault.value, 19);
    assert_error(with_work_factor("99999999999999999999", &env), MR_EKEYWORK);
}

struct shared {
    void *stage;
    const struct outcome *file;
    size_t begin; /* of the payload */
    bool same;
};

enum { THREADS = 4, PIECES = 8, PIECE = MR_AGE_PIECE_CHUNKS * MR_AGE_SEALED };

static void *open_every_piece(void *context)
{
    struct shared *shared = context;
    static const struct mr_cancel cancel;
    unsigned char *out = malloc(PIECE);
    shared->same = out != NULL;
    for (size_t i = 0; i < PIECES && shared->same; i++) {
        struct mr_stage_piece piece = {.index = i,
                                       .in = shared->file->at + shared->begin + i * PIECE,
                                       .in_len = PIECE,
                                       .last = i == PIECES - 1,
                                       .out = out,
                                       .out_size = PIECE};
        shared->same = mr_stage_decrypt.work(shared->stage, &piece, &cancel, NULL) == MR_OK;
    }
    free(out);
    return NULL;
}

static void pieces_of_one_stage_are_opened_by_many_threads_at_once(void **state)
{
    (void)state;
    static const struct mr_cancel cancel;
    enum { LEN = PIECES * MR_AGE_PIECE_CHUNKS * MR_AGE_CHUNK };
    struct outcome file = encrypt(random_bytes(LEN, 5), LEN, TO_US);
    struct mr_fault fault = {0};
    struct mr_stage_piece piece = {.in = file.at, .in_len = 1000};
    struct shared shared[THREADS];
    pthread_t threads[THREADS];
    void *stage;
    assert_int_equal(make_stage(&stage, &mr_stage_decrypt, &our_identity, "", &fault), MR_OK);
    assert_int_equal(mr_stage_decrypt.open(stage, &piece, &cancel, &fault), MR_OK);
    assert_int_equal(piece.status, MR_STAGE_OPEN);
    for (size_t i = 0; i < THREADS; i++) {
        shared[i] = (struct shared){.stage = stage, .file = &file, .begin = piece.in_used};
        assert_int_equal(pthread_create(&threads[i], NULL, open_every_piece, &shared[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(shared[i].same);
    }
    mr_stage_decrypt.destroy(stage);
}

static void cancelled_search_for_a_key_stops(void **state)
{
    (void)state;
    struct mr_cancel cancel = {0};
    struct outcome file = encrypt("hello", 5, TO_US);
    struct mr_stage_piece piece = {.in = file.at, .in_len = file.len, .last = true};
    struct mr_fault fault = {0};
    void *stage;
    mr_cancel_request(&cancel);
    assert_int_equal(make_stage(&stage, &mr_stage_decrypt, &our_identity, "", &fault), MR_OK);
    assert_int_equal(mr_stage_decrypt.open(stage, &piece, &cancel, &fault), MR_ECANCELLED);
    assert_int_equal(fault.error, MR_ECANCELLED);
    mr_stage_decrypt.destroy(stage);
}

static void stage_is_let_go_from_every_state(void **state)
{
    (void)state;
    struct mr_cancel cancel = {0};
    struct outcome file = encrypt("hello", 5, TO_US);
    struct mr_fault fault;
    for (size_t len = 0; len <= file.len; len += file.len / 4) {
        struct mr_stage_piece piece = {.in = file.at, .in_len = len};
        void *stage;
        assert_int_equal(make_stage(&stage, &mr_stage_decrypt, &our_identity, "", &fault), MR_OK);
        assert_int_equal(mr_stage_decrypt.open(stage, &piece, &cancel, &fault), MR_OK);
        mr_stage_decrypt.destroy(stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(identities_of_the_server_and_of_the_request_are_tried, stages_end_test),
        cmocka_unit_test_teardown(file_for_others_is_not_opened, stages_end_test),
        cmocka_unit_test_teardown(identity_that_is_none_is_refused_without_being_said, stages_end_test),
        cmocka_unit_test_teardown(other_bytes_are_no_age_file, stages_end_test),
        cmocka_unit_test_teardown(every_cut_is_found_at_any_chunking, stages_end_test),
        cmocka_unit_test_teardown(every_changed_byte_is_found_and_nothing_leaves, stages_end_test),
        cmocka_unit_test_teardown(wrong_mac_is_said_before_the_payload_is_looked_at, stages_end_test),
        cmocka_unit_test_teardown(pieces_before_a_damaged_one_leave_and_none_behind_it, stages_end_test),
        cmocka_unit_test_teardown(trailing_bytes_are_found, stages_end_test),
        cmocka_unit_test_teardown(passphrase_failures_are_told_apart, stages_end_test),
        cmocka_unit_test_teardown(pieces_of_one_stage_are_opened_by_many_threads_at_once, stages_end_test),
        cmocka_unit_test_teardown(cancelled_search_for_a_key_stops, stages_end_test),
        cmocka_unit_test_teardown(stage_is_let_go_from_every_state, stages_end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
