#include "base/clock.h"
#include "base/options.h"
#include "command/command.h"
#include "http/chars.h"
#include "http/public_url.h"
#include "http/query.h"
#include "keys/signature.h"
#include "keys/signing_options.h"
#include <sodium.h>
#include <stdio.h>
#include <sys/resource.h>

#define USAGE                                                                                            \
    "usage: millrace sign URL --signing-keys KEYS [--life TIME | --expires SECONDS]\n"                   \
    "Signs the address with the first key of the file and writes it to standard output. URL is a path\n" \
    "with a query ('/images/ID?w=300'), or begins with http:// or https://; in a shell, quote it.\n"

struct arguments {
    char *url, *keys, *public_url;
    uint64_t life;   /* ns */
    int64_t expires; /* 0: not given */
};

#define ROW(...) MR_OPTION_ROW(arguments, __VA_ARGS__)

// clang-format off
static const struct mr_option options[] = {
    ROW("signing-keys", TEXT, 0, 1000,                     "FILE",    NULL, keys,       "the server's file of keys"),
    ROW("life",         TIME, 1, MR_SIGN_LIFE_MAX,         "TIME",    NULL, life,       "how long it is good for (24h), rounded up by up to an eighth"),
    ROW("expires",      INT,  1, MR_SIGNATURE_EXPIRES_MAX, "SECONDS", NULL, expires,    "instead: when it ends, in seconds since 1970"),
    ROW("public-url",   TEXT, 0, 1000,                     "URL",     NULL, public_url, "where clients reach the server: its path is not signed"),
    MR_OPTION_END,
};
// clang-format on

static const struct mr_option url_operand = {
    .spec = {.name = "URL", .type = MR_PARAM_TEXT, .max = 16384, .text = "to sign"},
    .metavar = "URL",
    .offset = offsetof(struct arguments, url),
};

static const struct mr_options_program program = {
    .name = "millrace: sign",
    .usage = USAGE,
    .options = options,
    .operand = &url_operand,
    .hint = USAGE,
};

/* ---- the URL ---- */

struct url_parts {
    struct mr_slice front; /* what the server does not see: scheme, host, the path of the public URL */
    struct mr_slice path, query;
};

static bool is_below(struct mr_slice url, struct mr_slice front)
{
    return url.len >= front.len && memcmp(url.at, front.at, front.len) == 0 &&
           (url.len == front.len || url.at[front.len] == '/');
}

/* Where the path of a URL with a host begins. */
static size_t path_start(struct mr_slice url)
{
    const char *path = memchr(url.at + 8, '/', url.len - 8); /* behind "http://" and an octet of the host */
    return path != NULL ? (size_t)(path - url.at) : url.len;
}

/* How much of a URL, without its query, stands in front of the path. Returns what is wrong, or NULL. */
static const char *measure_front(size_t *out, struct mr_slice url, const char *public_text, struct mr_arena *arena)
{
    struct mr_public_url public = {.text = {.at = NULL}}, whole;
    *out = 0;
    if (public_text != NULL && mr_public_url_parse(&public, public_text, NULL) != MR_OK)
        return "--public-url must be http:// or https://, a host, and perhaps a port and a path";
    if (url.len > 0 && url.at[0] == '/')
        return NULL;
    if (mr_public_url_parse(&whole, mr_arena_copy(arena, url), NULL) != MR_OK)
        return "URL must begin with a slash, or with http:// or https:// and a host";
    *out = public_text != NULL ? public.text.len : path_start(url);
    return public_text == NULL || is_below(url, public.text) ? NULL : "URL does not begin with the one of --public-url";
}

static const char *split_url(struct url_parts *out, const struct arguments *arguments, struct mr_arena *arena)
{
    struct mr_slice url = mr_slice_of(arguments->url);
    size_t front;
    if (memchr(url.at, '#', url.len) != NULL)
        return "URL must not have a fragment, which no server gets to see";
    out->query = url;
    out->path = mr_slice_cut(&out->query, '?');
    const char *complaint = measure_front(&front, out->path, arguments->public_url, arena);
    if (complaint != NULL)
        return complaint;
    out->front = (struct mr_slice){.at = url.at, .len = front};
    out->path =
        front < out->path.len ? (struct mr_slice){.at = url.at + front, .len = out->path.len - front} : MR_SLICE("/");
    return mr_chars_are(out->path, MR_CHAR_TARGET) ? NULL : "the path of URL has a character that must be escaped";
}

/* ---- signing ---- */

static uint64_t expiry_of(const struct arguments *arguments)
{
    if (arguments->expires != 0)
        return (uint64_t)arguments->expires;
    uint64_t life_s = arguments->life != 0 ? arguments->life / MR_NS_PER_S : MR_SIGN_LIFE_S;
    return mr_signature_expiry(mr_clock_wall() / MR_NS_PER_S, life_s);
}

/* MR_EPARAM: of the URL. */
static int sign_parts(struct mr_slice *out, const struct url_parts *parts, const struct mr_signing_key *key,
                      uint64_t expires, struct mr_arena *arena, struct mr_fault *fault)
{
    struct mr_query query;
    int err = mr_query_parse(&query, parts->query, arena, fault);
    if (err != MR_OK)
        return err;
    const struct mr_signed_address address = {.path = parts->path, .pairs = query.pairs, .count = query.count};
    return mr_signature_sign(out, &address, key, expires, arena, fault);
}

static int print_signed(struct mr_slice front, struct mr_slice address)
{
    printf("%.*s%.*s\n", MR_SLICE_ARG(front), MR_SLICE_ARG(address));
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    perror("millrace: sign: standard output");
    return 1;
}

static int sign_with_file(const struct url_parts *parts, const struct arguments *arguments, struct mr_arena *arena)
{
    struct mr_signing_keys keys;
    struct mr_fault fault;
    struct mr_slice address;
    int status = 1;
    if (mr_key_file_load(&keys, &mr_signing_key_kind, arguments->keys, &fault) != MR_OK) {
        fprintf(stderr, "millrace: sign: --signing-keys: %s\n", fault.detail);
    } else if (sign_parts(&address, parts, &keys.keys[0], expiry_of(arguments), arena, &fault) != MR_OK) {
        mr_options_complain(&program, stderr, "URL: %s",
                            fault.detail[0] != '\0' ? fault.detail : mr_error_text(fault.error));
        status = 2;
    } else {
        status = print_signed(parts->front, address);
    }
    sodium_memzero(&keys, sizeof(keys));
    return status;
}

static int sign_url(const struct arguments *arguments)
{
    struct mr_arena arena;
    struct url_parts parts;
    const char *complaint = NULL;
    mr_arena_init(&arena);
    if (arguments->url == NULL)
        complaint = "a URL is needed";
    else if (arguments->keys == NULL)
        complaint = "--signing-keys is needed";
    else if (arguments->life != 0 && arguments->expires != 0)
        complaint = "--life and --expires exclude each other";
    else
        complaint = split_url(&parts, arguments, &arena);
    int status = 2;
    if (complaint != NULL)
        mr_options_complain(&program, stderr, "%s", complaint);
    else
        status = sign_with_file(&parts, arguments, &arena);
    mr_arena_reset(&arena);
    return status;
}

static void write_help(FILE *out)
{
    mr_options_help(&program, out);
}

int mr_sign_main(int argc, char *const *argv, char *const *environment)
{
    struct arguments arguments = {.url = NULL};
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold keys */
    enum mr_options_result result = mr_options_parse(&program, &arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = sign_url(&arguments);
    mr_options_free(&program, &arguments);
    return status;
}
