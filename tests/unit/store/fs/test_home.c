#include "calls.h"
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int open_rig(void **state)
{
    (void)state;
    rig_open();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

static void shell(const char *format, ...) MR_PRINTF(1, 2);

/* In the data directory. */
static void shell(const char *format, ...)
{
    char command[600];
    int len = snprintf(command, sizeof(command), "cd %s && ", rig.data);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + len, sizeof(command) - (size_t)len, format, arguments);
    va_end(arguments);
    assert_int_equal(system(command), 0);
}

static void assert_refused(enum mr_error error, const char *words)
{
    assert_int_equal(rig_open_home(), error);
    assert_null(rig.home);
    if (strstr(rig.fault.detail, words) == NULL)
        fail_msg("%s", rig.fault.detail);
}

static void new_directory_is_private_and_has_a_format(void **state)
{
    (void)state;
    struct stat info;
    char path[128], text[64] = "";
    umask(0);
    rig_start();
    assert_int_equal(stat(rig.data, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    snprintf(path, sizeof(path), "%s/format", rig.data);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "millrace-data 1\n");
    assert_int_equal(rig_count(". -perm /077"), 0);
    rig_restart();
}

static void directory_of_another_server_is_refused_with_its_pid(void **state)
{
    (void)state;
    char pid[32];
    rig_start();
    struct mr_store_home *first = rig.home;
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_refused(MR_EBUSY, pid);
    rig.home = first;
}

/* The server before it ends while this one waits. */
static void directory_is_waited_for_where_that_makes_sense(void **state)
{
    (void)state;
    int status, ready[2];
    char octet;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int err = rig_open_home();
        assert_int_equal(write(ready[1], "x", 1), 1);
        const struct timespec pause = {.tv_nsec = 300000000};
        nanosleep(&pause, NULL);
        _exit(err != MR_OK);
    }
    assert_int_equal(read(ready[0], &octet, 1), 1);
    const struct mr_store_home_config config = {.settings = &rig.settings, .shared = rig.shared, .may_wait = true};
    rig.settings.lock_wait = 0;
    assert_int_equal(mr_store_home_open(&rig.home, &config, &rig.fault), MR_EBUSY);
    rig.settings.lock_wait = 60 * MR_NS_PER_S;
    assert_int_equal(mr_store_home_open(&rig.home, &config, &rig.fault), MR_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void lock_is_held_as_long_as_one_of_the_processes_lives(void **state)
{
    (void)state;
    int status;
    assert_int_equal(rig_open_home(), MR_OK);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    mr_store_home_close(&rig.home); /* the supervisor died */
    assert_refused(MR_EBUSY, "used by another server");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(rig_open_home(), MR_OK);
}

static void format_that_is_not_known_is_refused(void **state)
{
    (void)state;
    static const char *const formats[] = {
        "millrace-data 2\n", "millrace-data 10\n", "", "millrace-data 1 sealed\n", "millrace-data 1\nquota\n",
        "millrace-dat",      "something else"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        rig_start();
        rig_stop();
        shell("printf '%s' > format", formats[i]);
        assert_refused(MR_EPARAM, "format");
        shell("printf 'millrace-data 1\\n' > format");
    }
    assert_int_equal(rig_open_home(), MR_OK);
}

static void directory_of_others_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(rig.data, 0755), 0);
    shell("touch something");
    assert_refused(MR_EPARAM, "chmod 700");
    shell("chmod 700 .");
    assert_refused(MR_EPARAM, "not empty");
    shell("rm something lock; chmod 750 .");
    assert_int_equal(rig_open_home(), MR_OK); /* it was empty, and is private now */
    assert_int_equal(rig_count(". -maxdepth 0 -perm 700"), 1);
    mr_store_home_close(&rig.home);
    if (geteuid() != 0)
        return;
    shell("chown nobody .");
    assert_refused(MR_EPARAM, "another user");
    shell("chown root .");
}

static void what_cannot_be_a_directory_is_refused(void **state)
{
    (void)state;
    char file[128];
    place_put(&rig.place, "file", "x", 1);
    snprintf(file, sizeof(file), "%s/file", rig.place.path);
    rig.settings.data = file;
    assert_refused(MR_EIO, "ENOTDIR");
    snprintf(file, sizeof(file), "%s/none/data", rig.place.path);
    assert_refused(MR_EIO, "ENOENT");
}

static void part_on_another_file_system_is_refused(void **state)
{
    (void)state;
    char path[128];
    rig_start();
    rig_stop();
    snprintf(path, sizeof(path), "%s/uploads", rig.data);
    if (mount("tmpfs", path, "tmpfs", 0, "size=64k") != 0)
        skip();
    int err = rig_open_home();
    umount2(path, MNT_DETACH);
    assert_int_equal(err, MR_EPARAM);
    assert_non_null(strstr(rig.fault.detail, "file system"));
}

/* ---- what others have planted ---- */

static void planted_lock_is_not_written_to(void **state)
{
    (void)state;
    char text[16] = "";
    size_t len = 7;
    rig_start();
    rig_stop();
    place_put(&rig.place, "victim", "victim\n", len);
    shell("rm lock && ln -s ../victim lock");
    assert_refused(MR_EIO, "ELOOP");
    shell("rm lock && ln ../victim lock");
    assert_refused(MR_EPARAM, "another name");
    shell("rm lock && mkfifo lock");
    assert_refused(MR_EIO, "EINVAL");
    shell("cat ../victim > /dev/null && rm lock && mkdir lock");
    assert_refused(MR_EIO, "EISDIR");
    shell("rmdir lock");
    int fd = openat(rig.place.directory, "victim", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof(text)), len);
    close(fd);
    assert_string_equal(text, "victim\n");
}

static void planted_directory_is_not_followed(void **state)
{
    (void)state;
    rig_start();
    rig_stop();
    shell("mkdir ../elsewhere && mv uploads ../elsewhere && ln -s ../elsewhere/uploads uploads");
    assert_refused(MR_EIO, "ELOOP");
    shell("rm uploads && ln -s .. objects-link && mv objects ../elsewhere && mv objects-link objects && mkdir uploads");
    assert_refused(MR_EIO, "ELOOP");
}

/* Links and FIFOs under the names of uploads are removed, what they lead to is not. */
static void planted_uploads_are_removed_and_not_followed(void **state)
{
    (void)state;
    const char *id = "01ARYZ6S41TSV4RRFFQ69G5FAV";
    char kept[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(kept, 1, 100000, "a"), MR_OK);
    rig_stop();
    place_put(&rig.place, "victim", "victim\n", 7);
    shell("ln -s ../../victim uploads/%s.1.p0 && ln ../victim uploads/%s.2.p0 && mkfifo uploads/%s.meta.p0", id, id,
          id);
    shell("ln -s ../objects uploads/%s.gone.p0 && mkdir uploads/%s.3.p0 && touch uploads/stranger", id, id);
    rig_start();
    assert_int_equal(rig_debris(), 2); /* the directory and the stranger */
    assert_int_equal(rig_check(kept, 1, 100000), MR_OK);
    shell("grep -q victim ../victim");
    shell("rm -r uploads/*");
}

/* One who plants the description of an object among the deleted ones does not delete it. */
static void copy_among_the_deleted_does_not_delete(void **state)
{
    (void)state;
    char kept[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(kept, 1, 100000, "a"), MR_OK);
    rig_stop();
    shell("cp objects/*/*/%s.meta uploads/%s.gone.p0", kept, kept);
    shell("cp objects/*/*/%s.meta uploads/%s.meta.p1", kept, kept);
    rig_start();
    assert_int_equal(rig_debris(), 0);
    assert_int_equal(rig_check(kept, 1, 100000), MR_OK);
}

static void half_a_commit_is_undone_and_half_a_delete_completed(void **state)
{
    (void)state;
    char commit[MR_ULID_LEN + 1], gone[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(commit, 1, 100000, "a"), MR_OK);
    assert_int_equal(rig_put(gone, 1, 100000, "a"), MR_OK);
    rig_stop();
    shell("mv objects/*/*/%s.meta uploads/%s.meta.p2", commit, commit);
    shell("mv objects/*/*/%s.meta uploads/%s.gone.p0", gone, gone);
    rig_start();
    assert_int_equal(rig_count("objects uploads -type f"), 0);
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_directory_is_private_and_has_a_format),
        TEST(directory_of_another_server_is_refused_with_its_pid),
        TEST(directory_is_waited_for_where_that_makes_sense),
        TEST(lock_is_held_as_long_as_one_of_the_processes_lives),
        TEST(format_that_is_not_known_is_refused),
        TEST(directory_of_others_is_refused),
        TEST(what_cannot_be_a_directory_is_refused),
        TEST(part_on_another_file_system_is_refused),
        TEST(planted_lock_is_not_written_to),
        TEST(planted_directory_is_not_followed),
        TEST(planted_uploads_are_removed_and_not_followed),
        TEST(copy_among_the_deleted_does_not_delete),
        TEST(half_a_commit_is_undone_and_half_a_delete_completed),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
