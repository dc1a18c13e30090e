#include "media/age/age_keys.h"
#include "media/stages.h"
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

/* From the specification of age. */
#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

static char directory[] = "/tmp/millrace-keys-XXXXXX";
static char path[64];
static struct mr_age_keys *keys;

static int begin_test(void **state)
{
    (void)state;
    strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/key", directory);
    return mr_age_keys_create(&keys);
}

static int end_test(void **state)
{
    mr_age_keys_free(&keys);
    unlink(path);
    rmdir(directory);
    return stages_end_test(state);
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int add(const char *text, struct mr_fault *fault)
{
    return mr_age_keys_add(keys, mr_slice_of(text), "here", fault);
}

static void identities_are_read_with_comments_and_blank_lines_between(void **state)
{
    (void)state;
    char recipient[MR_AGE_RECIPIENT_SIZE];
    write_text("# created: some day\n# public key: x\n\n" IDENTITY "\r\n  \n" IDENTITY "\n#" IDENTITY);
    assert_int_equal(mr_age_keys_load(keys, path, NULL), MR_OK);
    assert_int_equal(keys->count, 2);
    mr_age_keys_recipient(keys, 1, recipient);
    assert_string_equal(recipient, RECIPIENT);
    assert_int_equal(add(" " IDENTITY, NULL), MR_OK);
    assert_int_equal(keys->count, 3);
}

static void fault_says_file_and_line_and_nothing_of_the_key(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    char text[] = "# a key\n\n" IDENTITY "\n";
    text[sizeof(text) - 3] = 'Q';
    write_text(text);
    assert_int_equal(mr_age_keys_load(keys, path, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, path));
    assert_non_null(strstr(fault.detail, "line 3"));
    assert_null(strstr(fault.detail, "GFPYY"));
    assert_int_equal(keys->count, 0);
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "# only this\n",
                                        RECIPIENT,
                                        "AGE-PLUGIN-YUBIKEY-1QQQQ",
                                        "AGE-SECRET-KEY-1",
                                        IDENTITY IDENTITY,
                                        IDENTITY " " IDENTITY,
                                        "AGE-SECRET-KEY-PQ-1QQQQ",
                                        IDENTITY "\nAGE-SECRET-KEY-QP-1QQQQ",
                                        IDENTITY "\nnonsense"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++) {
        struct mr_fault fault = {0};
        if (add(texts[i], &fault) != MR_EPARAM)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(fault.error, MR_EPARAM);
    }
}

#define SSH_KEY "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"

static void identities_of_other_kinds_are_passed_over_and_counted(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    assert_int_equal(
        add("AGE-SECRET-KEY-PQ-1QQQQ\nAGE-PLUGIN-YUBIKEY-1QQQQ\n" SSH_KEY IDENTITY "\nssh-ed25519 AAAA me\n", &fault),
        MR_OK);
    assert_int_equal(keys->count, 1);
    assert_int_equal(keys->others, 4);
    assert_int_equal(add(SSH_KEY "nonsense", &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "line 6"));
    assert_int_equal(add("-----BEGIN OPENSSH PRIVATE KEY-----\n" IDENTITY, &fault), MR_EPARAM); /* it has no end */
    assert_non_null(strstr(fault.detail, "not supported"));
}

static void list_has_a_bound(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    for (int i = 0; i < MR_AGE_IDENTITIES_MAX; i++)
        assert_int_equal(add(IDENTITY, NULL), MR_OK);
    assert_int_equal(add(IDENTITY, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "identities");
    assert_int_equal(keys->count, MR_AGE_IDENTITIES_MAX);
}

static void missing_and_long_files_are_refused(void **state)
{
    (void)state;
    struct mr_fault fault = {0};
    assert_int_equal(mr_age_keys_load(keys, path, &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, path));
    assert_int_equal(mr_age_keys_load(keys, directory, &fault), MR_EIO);
    char *text = stages_own(malloc(MR_AGE_KEYS_FILE_MAX + 2));
    memset(text, '#', MR_AGE_KEYS_FILE_MAX + 1);
    text[MR_AGE_KEYS_FILE_MAX + 1] = '\0';
    memcpy(text, IDENTITY "\n", sizeof(IDENTITY));
    write_text(text);
    assert_int_equal(mr_age_keys_load(keys, path, &fault), MR_EPARAM);
    text[MR_AGE_KEYS_FILE_MAX] = '\0';
    write_text(text);
    assert_int_equal(mr_age_keys_load(keys, path, &fault), MR_OK);
}

static void recipients_are_read(void **state)
{
    (void)state;
    uint8_t recipient[32];
    struct mr_fault fault = {0};
    assert_int_equal(mr_age_recipient_read(recipient, MR_SLICE(RECIPIENT), NULL), MR_OK);
    assert_int_equal(mr_age_recipient_read(recipient, MR_SLICE("age1pq1qqqq"), &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "recipient"));
    assert_int_equal(mr_age_recipient_read(recipient, MR_SLICE("ssh-ed25519 AAAA"), NULL), MR_EPARAM);
    assert_int_equal(mr_age_recipient_read(recipient, MR_SLICE(""), NULL), MR_EPARAM);
}

static void new_key_is_written_for_its_owner_only_and_read_again(void **state)
{
    (void)state;
    char recipient[MR_AGE_RECIPIENT_SIZE], again[MR_AGE_RECIPIENT_SIZE], expected[128];
    struct stat status;
    mode_t before = umask(0);
    assert_int_equal(mr_age_keygen(path, recipient, NULL), MR_OK);
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(mr_age_keys_load(keys, path, NULL), MR_OK);
    assert_int_equal(keys->count, 1);
    mr_age_keys_recipient(keys, 0, again);
    assert_string_equal(recipient, again);

    char text[512] = "";
    FILE *file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    snprintf(expected, sizeof(expected), "# public key: %s\nAGE-SECRET-KEY-1", recipient);
    assert_int_equal(strncmp(text, "# created: 20", 13), 0);
    assert_non_null(strstr(text, expected));
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void mode_holds_under_a_narrow_umask_too(void **state)
{
    (void)state;
    char recipient[MR_AGE_RECIPIENT_SIZE];
    struct stat status;
    mode_t before = umask(0277);
    assert_int_equal(mr_age_keygen(path, recipient, NULL), MR_OK);
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void no_two_keys_are_the_same(void **state)
{
    (void)state;
    char first[MR_AGE_RECIPIENT_SIZE], second[MR_AGE_RECIPIENT_SIZE];
    assert_int_equal(mr_age_keygen(path, first, NULL), MR_OK);
    unlink(path);
    assert_int_equal(mr_age_keygen(path, second, NULL), MR_OK);
    assert_string_not_equal(first, second);
}

static void file_that_is_there_is_not_overwritten(void **state)
{
    (void)state;
    char recipient[MR_AGE_RECIPIENT_SIZE], text[16] = "";
    struct mr_fault fault = {0};
    write_text("precious");
    assert_int_equal(mr_age_keygen(path, recipient, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, path));
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "precious");
    unlink(path);
    assert_int_equal(symlink("/tmp/millrace-no-such-target", path), 0); /* nor written through */
    assert_int_equal(mr_age_keygen(path, recipient, &fault), MR_EPARAM);
}

static void key_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    char recipient[MR_AGE_RECIPIENT_SIZE];
    assert_int_equal(mr_age_keygen("/tmp/millrace-no-such-directory/key", recipient, NULL), MR_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identities_are_read_with_comments_and_blank_lines_between, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(fault_says_file_and_line_and_nothing_of_the_key, begin_test, end_test),
        cmocka_unit_test_setup_teardown(other_lines_are_refused, begin_test, end_test),
        cmocka_unit_test_setup_teardown(identities_of_other_kinds_are_passed_over_and_counted, begin_test, end_test),
        cmocka_unit_test_setup_teardown(list_has_a_bound, begin_test, end_test),
        cmocka_unit_test_setup_teardown(missing_and_long_files_are_refused, begin_test, end_test),
        cmocka_unit_test_setup_teardown(recipients_are_read, begin_test, end_test),
        cmocka_unit_test_setup_teardown(new_key_is_written_for_its_owner_only_and_read_again, begin_test, end_test),
        cmocka_unit_test_setup_teardown(mode_holds_under_a_narrow_umask_too, begin_test, end_test),
        cmocka_unit_test_setup_teardown(no_two_keys_are_the_same, begin_test, end_test),
        cmocka_unit_test_setup_teardown(file_that_is_there_is_not_overwritten, begin_test, end_test),
        cmocka_unit_test_setup_teardown(key_that_cannot_be_written_is_an_error, begin_test, end_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
