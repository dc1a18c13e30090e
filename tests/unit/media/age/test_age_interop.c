/* Files that the program `age` wrote, read here, and the other way round. Skipped where it is not installed. */
#include "media/age_files.h"
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/millrace-interop-XXXXXX";
static char in_path[64], out_path[64], key_path[64];
static char recipient[MR_AGE_RECIPIENT_SIZE];
static struct mr_age_keys *keys;

/* Run a program to its end with nothing to read; true: it ended well. */
static bool run(const char *const *arguments)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(arguments[0], (char **)(uintptr_t)arguments);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* age makes no file for an output without bytes. */
static struct outcome read_file(const char *path)
{
    enum { SIZE = 2 * 1024 * 1024 };
    struct outcome out = {.at = stages_own(malloc(SIZE))};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return out;
    out.len = fread(out.at, 1, SIZE, file);
    fclose(file);
    return out;
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(in_path, sizeof(in_path), "%s/in", directory);
    snprintf(out_path, sizeof(out_path), "%s/out", directory);
    snprintf(key_path, sizeof(key_path), "%s/key", directory);
    if (mr_age_keygen(key_path, recipient, NULL) != MR_OK || mr_age_keys_create(&keys) != MR_OK)
        return -1;
    return mr_age_keys_load(keys, key_path, NULL);
}

static int end(void **state)
{
    (void)state;
    mr_age_keys_free(&keys);
    unlink(in_path);
    unlink(out_path);
    unlink(key_path);
    return rmdir(directory);
}

static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 131072, 1000000};

static void age_reads_what_is_encrypted_here(void **state)
{
    (void)state;
    if (!RUN("age", "--version"))
        skip();
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(lengths); i++) {
        size_t len = lengths[i / 2];
        char query[256];
        const uint8_t *bytes = random_bytes(len, (uint32_t)i + 1);
        snprintf(query, sizeof(query), TO_US "&recipient=%s&armor=%zu", recipient, i % 2);
        struct outcome out = encrypt(bytes, len, query);
        write_file(in_path, out.at, out.len);
        unlink(out_path);
        assert_true(RUN("age", "-d", "-i", key_path, "-o", out_path, in_path));
        assert_plain(read_file(out_path), bytes, len);
    }
}

static void what_age_encrypts_is_read_here(void **state)
{
    (void)state;
    if (!RUN("age", "--version"))
        skip();
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(lengths); i++) {
        size_t len = lengths[i / 2];
        const uint8_t *bytes = random_bytes(len, (uint32_t)i + 1);
        write_file(in_path, bytes, len);
        assert_true(RUN("age", "-r", recipient, "-r", RECIPIENT, i % 2 ? "-a" : "-e", "-o", out_path, in_path));
        struct outcome file = read_file(out_path);
        assert_plain(decrypt(file.at, file.len, &(struct mr_stage_env){.identities = keys}), bytes, len);
        assert_plain(decrypt(file.at, file.len, &our_identity), bytes, len);
    }
}

static void age_keygen_knows_the_public_key_of_a_key_made_here(void **state)
{
    (void)state;
    if (!RUN("age", "--version"))
        skip();
    unlink(out_path);
    assert_true(RUN("age-keygen", "-y", "-o", out_path, key_path));
    struct outcome out = read_file(out_path);
    assert_int_equal(out.len, strlen(recipient) + 1);
    assert_memory_equal(out.at, recipient, strlen(recipient));
}

static void key_that_age_keygen_made_is_read_here(void **state)
{
    (void)state;
    if (!RUN("age", "--version"))
        skip();
    struct mr_age_keys *theirs;
    char text[MR_AGE_RECIPIENT_SIZE];
    unlink(out_path);
    assert_true(RUN("age-keygen", "-o", out_path));
    assert_int_equal(mr_age_keys_create(&theirs), MR_OK);
    assert_int_equal(mr_age_keys_load(theirs, out_path, NULL), MR_OK);
    mr_age_keys_recipient(theirs, 0, text);
    struct outcome file = read_file(out_path);
    file.at[file.len] = '\0';
    assert_non_null(strstr((char *)file.at, text));
    mr_age_keys_free(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(age_reads_what_is_encrypted_here, stages_end_test),
        cmocka_unit_test_teardown(what_age_encrypts_is_read_here, stages_end_test),
        cmocka_unit_test_teardown(age_keygen_knows_the_public_key_of_a_key_made_here, stages_end_test),
        cmocka_unit_test_teardown(key_that_age_keygen_made_is_read_here, stages_end_test),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
