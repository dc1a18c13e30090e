#include "routes/pipe.h"

#include "service/served.h"
#include <zlib.h>

/* ---- an image to send ---- */

struct image {
    unsigned char *bytes;
    size_t len;
};

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put_chunk(struct image *png, const char *type, const void *bytes, size_t len)
{
    unsigned char *at = png->bytes + png->len;
    put_u32(at, (uint32_t)len);
    for (int i = 0; i < 4; i++)
        at[4 + i] = (unsigned char)type[i];
    if (len > 0)
        memcpy(at + 8, bytes, len);
    put_u32(at + 8 + len, (uint32_t)crc32(0, at + 4, (uInt)(len + 4)));
    png->len += len + 12;
}

static const unsigned char png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* A greyscale PNG of vertical stripes, or of noise that does not compress. */
static struct image make_png(uint32_t width, uint32_t height, bool noise)
{
    size_t raw_len = (size_t)(width + 1) * height;
    unsigned char *raw = calloc(1, raw_len), header[13] = {[8] = 8};
    uint32_t random = 1;
    for (size_t i = 0; i < raw_len; i++) {
        size_t x = i % (width + 1);
        random = random * 1664525 + 1013904223;
        raw[i] = (unsigned char)(x == 0 ? 0 : noise ? random >> 24 : x);
    }
    uLongf packed_len = compressBound((uLong)raw_len);
    unsigned char *packed = malloc(packed_len);
    assert_int_equal(compress2(packed, &packed_len, raw, (uLong)raw_len, 1), Z_OK);
    struct image png = {.bytes = malloc(packed_len + 100), .len = sizeof(png_magic)};
    memcpy(png.bytes, png_magic, sizeof(png_magic));
    put_u32(header, width);
    put_u32(header + 4, height);
    put_chunk(&png, "IHDR", header, sizeof(header));
    put_chunk(&png, "IDAT", packed, packed_len);
    put_chunk(&png, "IEND", NULL, 0);
    free(raw);
    free(packed);
    return png;
}

/* The same with so many empty chunks in it that no decoder knows. */
static struct image with_chunks(struct image png, size_t count)
{
    const size_t before = sizeof(png_magic) + 25; /* IHDR */
    struct image out = {.bytes = malloc(png.len + 12 * count), .len = before};
    memcpy(out.bytes, png.bytes, before);
    for (size_t i = 0; i < count; i++)
        put_chunk(&out, "prIv", NULL, 0);
    memcpy(out.bytes + out.len, png.bytes + before, png.len - before);
    out.len += png.len - before;
    return out;
}

static uint32_t u32_at(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The answer is a PNG so wide. */
static void assert_png(const char *answer, size_t len, uint32_t width)
{
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "Content-Type: image/png\r\n"));
    assert_non_null(body);
    assert_true(len - (size_t)(body + 4 - answer) > 24);
    assert_memory_equal(body + 4, "\x89PNG", 4);
    assert_int_equal(u32_at(body + 4 + 16), width);
}

static struct image small, slow;
#define TARGET_SLOW "/pipe/image?w=5000&fm=webp" /* seconds for a worker, unless its client leaves */

static int make_images(void **state)
{
    small = make_png(400, 200, false);
    slow = make_png(6000, 6000, false);
    return set_up_images(state);
}

static int free_images(void **state)
{
    free(small.bytes);
    free(slow.bytes);
    return tear_down_images(state);
}

/* ---- what the loop counts, read from this thread ---- */

static uint64_t cancelled(const struct served *served)
{
    return atomic_load(&mr_offload_stats(app_of(served)->offload, 0)->cancelled);
}

static uint64_t stopped(const struct served *served)
{
    return atomic_load(&app_of(served)->numbers[0].pipes.stopped);
}

static uint64_t ran(const struct served *served)
{
    return atomic_load(&mr_offload_stats(app_of(served)->offload, 0)->done);
}

static unsigned busy(const struct served *served)
{
    return mr_offload_busy(app_of(served)->offload);
}

static uint32_t waiting(const struct served *served)
{
    uint32_t depth = 0;
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        depth += mr_offload_depth(app_of(served)->offload, lane);
    return depth;
}

/* ---- clients ---- */

static int post(const struct served *served, const char *target, const struct image *image)
{
    char head[200];
    int fd = connect_to(served);
    snprintf(head, sizeof(head),
             "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", target,
             image->len);
    send_text(fd, head);
    send_all(fd, image->bytes, image->len);
    return fd;
}

/* A reset, as of a client that crashed. */
static void leave(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
}

static void assert_refused(int fd, const char *type)
{
    size_t len;
    char *answer = read_to_end(fd, &len);
    if (strstr(answer, "HTTP/1.1 503") == NULL || strstr(answer, type) == NULL)
        fail_msg("%s wanted:\n%s", type, answer);
    const char *retry = strstr(answer, "Retry-After: ");
    assert_non_null(retry);
    assert_in_range(strtol(retry + strlen("Retry-After: "), NULL, 10), 1, 3600);
    free(answer);
}

static void assert_done(int fd, uint32_t width)
{
    size_t len;
    char *answer = read_to_end(fd, &len);
    assert_png(answer, len, width);
    free(answer);
}

/* ---- */

/* Milliseconds of one phase of Server-Timing, or -1. */
static double timing(const char *answer, const char *phase)
{
    char wanted[20];
    const char *field = strstr(answer, "\r\nServer-Timing: ");
    snprintf(wanted, sizeof(wanted), "%s;dur=", phase);
    const char *found = field != NULL ? strstr(field, wanted) : NULL;
    return found != NULL ? strtod(found + strlen(wanted), NULL) : -1;
}

static void image_comes_back_resized_with_its_times(void **state)
{
    static const char *const offloads[] = {"--offload=workers", "--offload=libuv", "--offload=none",
                                           "--offload=inline"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(offloads); i++) {
        struct served *served = START(offloads[i]);
        size_t len;
        char *answer = ask(served, "POST", "/pipe/image?w=100", small.bytes, small.len, &len);
        assert_png(answer, len, 100);
        double recv_ms = timing(answer, "recv"), wait_ms = timing(answer, "wait"), work_ms = timing(answer, "work");
        assert_true(recv_ms >= 0 && wait_ms >= 0 && work_ms > 0);
        assert_true(recv_ms + wait_ms + work_ms <= timing(answer, "total") + 0.01);
        free(answer);
        assert_int_equal(stop_service(served), 0);
    }
}

static void wrong_parameter_is_named_before_the_body_is_sent(void **state)
{
    static const char *const rows[][2] = {{"wdth=3", "\\\"wdth\\\" is not"},
                                          {"Width=3", "\\\"Width\\\" is not"},
                                          {"w=0", "w must"},
                                          {"w=1&w=1", "\\\"w\\\" is given more than once"},
                                          {"fit=crop", "crop"}};
    (void)state;
    struct served *served = START("--loops=1");
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        char head[200];
        size_t len;
        int fd = connect_to(served);
        snprintf(head, sizeof(head),
                 "POST /pipe/image?%s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                 "Content-Length: 5000000\r\n\r\n",
                 rows[i][0]);
        send_text(fd, head);
        char *answer = read_to_end(fd, &len);
        if (strncmp(answer, "HTTP/1.1 400", 12) != 0 || strstr(answer, rows[i][1]) == NULL)
            fail_msg("%s: %s", rows[i][0], answer);
        free(answer);
    }
    assert_int_equal(stop_service(served), 0);
}

static void body_that_is_no_image_is_refused_at_its_first_bytes(void **state)
{
    (void)state;
    struct served *served = START("--loops=1");
    char first[100] = "hello, world";
    size_t len;
    int fd = connect_to(served);
    send_text(fd, "POST /pipe/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n");
    send_all(fd, first, sizeof(first)); /* and nothing more */
    char *answer = read_to_end(fd, &len);
    assert_non_null(strstr(answer, "HTTP/1.1 415"));
    free(answer);
    assert_int_equal(ask_status(served, "POST", "/pipe/image", NULL, 0), 415);
    assert_int_equal(stop_service(served), 0);
}

static void damaged_image_is_422_and_counted_as_failed(void **state)
{
    (void)state;
    struct served *served = START("--loops=1");
    struct image noise = make_png(300, 300, true);
    noise.bytes[noise.len / 2] ^= 0xff;
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=10", noise.bytes, noise.len), 422);
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=10", small.bytes, small.len), 200);
    free(noise.bytes);
    assert_true(atomic_load(&app_of(served)->numbers[0].pipes.failed) <= 1); /* 0: the scan on the loop saw it */
    assert_int_equal(stop_service(served), 0);
}

static void too_many_pixels_are_413_before_anything_runs(void **state)
{
    (void)state;
    struct served *served = START("--max-pixels=79999");
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=10", small.bytes, small.len), 413);
    assert_int_equal(ran(served), 0);
    assert_int_equal(stop_service(served), 0);
}

static void body_in_a_file_gives_the_same_answer(void **state)
{
    (void)state;
    struct image noise = make_png(1500, 1000, true);
    assert_true(noise.len > MR_MIB);
    struct served *served = START("--body-memory=64KiB");
    size_t len;
    char *answer = ask(served, "POST", "/pipe/image?w=100", noise.bytes, noise.len, &len);
    assert_png(answer, len, 100);
    free(answer);
    free(noise.bytes);
    assert_int_equal(stop_service(served), 0);
}

/* It takes more steps to scan than the loop makes. */
static void body_of_many_parts_is_measured_by_the_worker(void **state)
{
    (void)state;
    struct image parts = with_chunks(small, 10000);
    struct served *served = START("--loops=1");
    assert_done(post(served, "/pipe/image?w=50", &parts), 50);
    parts.len -= 20; /* it ends in the middle of its data */
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=50", parts.bytes, parts.len), 422);
    assert_int_equal(atomic_load(&app_of(served)->numbers[0].pipes.failed), 1);
    free(parts.bytes);
    assert_int_equal(stop_service(served), 0);
}

static void full_queue_refuses_before_the_body_is_sent(void **state)
{
    (void)state;
    struct served *served = START("--workers=1", "--queue-depth=1", "--job-deadline=60s");
    int running = post(served, TARGET_SLOW, &slow);
    WAIT_FOR(busy(served) == 1);
    int queued = post(served, "/pipe/image?w=100", &small);
    WAIT_FOR(waiting(served) == 1);
    int refused = connect_to(served);
    send_text(refused, "POST /pipe/image HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                       "Content-Length: 1000\r\n\r\n");
    assert_refused(refused, "queue-full");
    leave(running);
    assert_done(queued, 100);
    assert_int_equal(atomic_load(&app_of(served)->numbers[0].pipes.refused), 1);
    assert_int_equal(stop_service(served), 0);
}

/* On a busy machine it may wait too long itself, and is posted again then. */
static int post_until_it_runs(struct served *served)
{
    const _Atomic uint64_t *expired = &mr_offload_stats(app_of(served)->offload, 0)->expired;
    for (;;) {
        uint64_t before = atomic_load(expired);
        int client = post(served, "/pipe/image?w=300", &slow);
        WAIT_FOR(busy(served) == 1 || atomic_load(expired) > before);
        if (busy(served) == 1)
            return client;
        assert_refused(client, "expired");
    }
}

static void job_that_waited_too_long_is_not_run(void **state)
{
    (void)state;
    struct served *served = START("--workers=1", "--job-deadline=20ms");
    int running = post_until_it_runs(served);
    assert_refused(post(served, "/pipe/image?w=100", &small), "expired");
    assert_done(running, 300);
    assert_int_equal(ran(served), 1);
    assert_int_equal(stop_service(served), 0);
}

static void budget_that_is_taken_refuses_and_comes_back(void **state)
{
    (void)state;
    struct served *served = START("--memory-budget=32MiB");
    struct mr_budget *budget = app_of(served)->memory;
    int client = connect_to(served);
    assert_true(mr_budget_try_take(budget, 31 * MR_MIB)); /* more than 15/16 */
    send_text(client, "POST /pipe/image HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                      "Content-Length: 5000000\r\n\r\n");
    assert_refused(client, "memory-budget");
    mr_budget_give_back(budget, 31 * MR_MIB);
    WAIT_FOR(mr_budget_used(budget) == 0);
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=10", small.bytes, small.len), 200);
    assert_int_equal(stop_service(served), 0);
}

static void client_that_leaves_while_its_job_waits_is_never_served(void **state)
{
    (void)state;
    struct served *served = START("--workers=1");
    int running = post(served, TARGET_SLOW, &slow);
    WAIT_FOR(busy(served) == 1);
    int leaving = post(served, "/pipe/image?w=100", &small);
    WAIT_FOR(waiting(served) == 1);
    leave(leaving);
    WAIT_FOR(atomic_load(&app_of(served)->http->counters[0]->connections) == 1); /* before there is a worker for it */
    leave(running);
    WAIT_FOR(cancelled(served) == 1 && stopped(served) == 1);
    assert_int_equal(ran(served), 1);
    assert_int_equal(stop_service(served), 0);
}

static void client_that_leaves_while_its_job_runs_stops_it(void **state)
{
    (void)state;
    struct served *served = START("--workers=1");
    int leaving = post(served, TARGET_SLOW, &slow);
    WAIT_FOR(busy(served) == 1);
    leave(leaving);
    WAIT_FOR(stopped(served) == 1);
    assert_int_equal(ask_status(served, "POST", "/pipe/image?w=10", small.bytes, small.len), 200);
    assert_int_equal(stop_service(served), 0);
}

static void client_that_leaves_in_mid_body_leaves_nothing(void **state)
{
    (void)state;
    struct served *served = START("--body-memory=64KiB");
    struct image noise = make_png(1500, 1000, true);
    int fd = connect_to(served);
    send_text(fd, "POST /pipe/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
    send_all(fd, noise.bytes, noise.len);
    leave(fd);
    free(noise.bytes);
    WAIT_FOR(atomic_load(&app_of(served)->http->counters[0]->connections) == 0);
    assert_int_equal(stop_service(served), 0); /* the budget is asserted to be 0 there */
}

static void running_job_is_stopped_at_the_drain_timeout(void **state)
{
    (void)state;
    struct served *served = START("--workers=1", "--drain-timeout=1ms");
    int running = post(served, TARGET_SLOW, &slow);
    WAIT_FOR(busy(served) == 1);
    assert_int_equal(stop_service(served), 1);
    close(running);
}

static void long_run_is_422(void **state)
{
    (void)state;
    struct served *served = START("--job-time=30ms");
    size_t len;
    char *answer = ask(served, "POST", TARGET_SLOW, slow.bytes, slow.len, &len);
    assert_non_null(strstr(answer, "HTTP/1.1 422"));
    assert_non_null(strstr(answer, "too-expensive"));
    free(answer);
    assert_int_equal(stop_service(served), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_comes_back_resized_with_its_times),
        cmocka_unit_test(wrong_parameter_is_named_before_the_body_is_sent),
        cmocka_unit_test(body_that_is_no_image_is_refused_at_its_first_bytes),
        cmocka_unit_test(damaged_image_is_422_and_counted_as_failed),
        cmocka_unit_test(too_many_pixels_are_413_before_anything_runs),
        cmocka_unit_test(body_in_a_file_gives_the_same_answer),
        cmocka_unit_test(body_of_many_parts_is_measured_by_the_worker),
        cmocka_unit_test(full_queue_refuses_before_the_body_is_sent),
        cmocka_unit_test(job_that_waited_too_long_is_not_run),
        cmocka_unit_test(budget_that_is_taken_refuses_and_comes_back),
        cmocka_unit_test(client_that_leaves_while_its_job_waits_is_never_served),
        cmocka_unit_test(client_that_leaves_while_its_job_runs_stops_it),
        cmocka_unit_test(client_that_leaves_in_mid_body_leaves_nothing),
        cmocka_unit_test(running_job_is_stopped_at_the_drain_timeout),
        cmocka_unit_test(long_run_is_422),
    };
    return cmocka_run_group_tests(tests, make_images, free_images);
}
