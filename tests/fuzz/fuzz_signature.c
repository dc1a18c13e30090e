/* Properties of signed addresses. The first four bytes say how the address is spelled otherwise, the rest is a target.
 *  - its text is made of the characters that it may have, and it is its own text;
 *  - each spelling of it (order of parameters, escapes of either case or none, '+', no '=', empty parts) has one text;
 *  - the text can be read back: it is that of no other segments, names and values;
 *  - what was signed is verified, also when it is spelled otherwise, and not when any octet of its text is another. */
#include "base/assert.h"
#include "http/query.h"
#include "keys/signature.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct mr_signing signing = {.life_s = 3600};
static uint32_t turn; /* of a generator, so that a finding can be repeated */

static uint32_t choose(uint32_t below)
{
    turn = turn * 1664525u + 1013904223u;
    return (turn >> 16) % below;
}

static void open_ring(void)
{
    char path[] = "/tmp/millrace-fuzz-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("k AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", file);
    fclose(file);
    MR_ASSERT(mr_key_ring_open(&signing.keys, &mr_signing_key_kind, path, NULL) == MR_OK);
    unlink(path);
}

static bool read_target(struct mr_signed_address *out, struct mr_slice target, struct mr_arena *arena)
{
    struct mr_query query;
    struct mr_slice rest = target, path = mr_slice_cut(&rest, '?');
    if (mr_query_parse(&query, rest, arena, NULL) != MR_OK)
        return false;
    *out = (struct mr_signed_address){.path = path, .pairs = query.pairs, .count = query.count};
    return true;
}

static bool read_text(struct mr_slice *out, struct mr_slice target, struct mr_arena *arena)
{
    struct mr_signed_address address;
    return read_target(&address, target, arena) && mr_signature_text(out, &address, arena, NULL) == MR_OK;
}

/* ---- other spellings ---- */

static char *spell_escape(char *to, uint8_t octet)
{
    const char *digits = choose(2) == 0 ? "0123456789abcdef" : "0123456789ABCDEF";
    *to++ = '%';
    *to++ = digits[octet >> 4];
    *to++ = digits[octet & 15];
    return to;
}

/* plain: octets that may stand for themselves. */
static char *spell(char *to, struct mr_slice text, bool is_query)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool needs_escape = strchr("%?/+&=", c) != NULL || (c == ' ' && !is_query);
        if (c == ' ' && is_query && choose(2) == 0)
            *to++ = '+';
        else if (needs_escape || choose(4) == 0)
            to = spell_escape(to, (uint8_t)c);
        else
            *to++ = c;
    }
    return to;
}

static char *spell_pair(char *to, const struct mr_param_pair *pair)
{
    for (uint32_t i = choose(3); i > 0; i--)
        *to++ = '&';
    to = spell(to, pair->name, true);
    if (pair->value.len > 0 || pair->name.len == 0 || choose(2) == 0)
        *to++ = '=';
    to = spell(to, pair->value, true);
    *to++ = '&';
    return to;
}

/* The path, decoded segment by segment. */
static char *spell_path(char *to, struct mr_slice path, struct mr_arena *arena)
{
    while (path.at != NULL) {
        struct mr_slice segment = mr_slice_cut(&path, '/');
        char *decoded = mr_arena_alloc(arena, segment.len + 1), *end = decoded;
        for (size_t i = 0; i < segment.len; i++) {
            unsigned octet = (uint8_t)segment.at[i];
            if (segment.at[i] == '%') {
                char digits[3] = {segment.at[i + 1], segment.at[i + 2], '\0'};
                octet = (unsigned)strtoul(digits, NULL, 16);
                i += 2;
            }
            *end++ = (char)octet;
        }
        to = spell(to, (struct mr_slice){.at = decoded, .len = (size_t)(end - decoded)}, false);
        if (path.at != NULL)
            *to++ = '/';
    }
    return to;
}

/* The same address, spelled otherwise. */
static struct mr_slice spell_target(const struct mr_signed_address *address, struct mr_arena *arena)
{
    struct mr_param_pair *pairs = mr_arena_alloc(arena, address->count * sizeof(*pairs));
    size_t room = 4 * address->path.len + 8;
    for (unsigned i = 0; i < address->count; i++) {
        unsigned at = choose(i + 1);
        pairs[i] = pairs[at];
        pairs[at] = address->pairs[i];
        room += 3 * (address->pairs[i].name.len + address->pairs[i].value.len) + 8;
    }
    char *text = mr_arena_alloc(arena, room), *end = spell_path(text, address->path, arena);
    *end++ = '?';
    for (unsigned i = 0; i < address->count; i++)
        end = spell_pair(end, &pairs[i]);
    return (struct mr_slice){.at = text, .len = (size_t)(end - text)};
}

/* ---- checks ---- */

static void check_text(struct mr_slice text, struct mr_arena *arena)
{
    struct mr_slice again, query = text, path = mr_slice_cut(&query, '?');
    MR_ASSERT(path.len > 0 && path.at[0] == '/' && query.at != NULL && text.at[text.len] == '\0');
    MR_ASSERT(strspn(text.at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/?=&") == text.len);
    MR_ASSERT(memchr(query.at, '/', query.len) == NULL && memchr(query.at, '?', query.len) == NULL);
    MR_ASSERT(strpbrk(path.at, "?") == query.at - 1 && memchr(path.at, '=', path.len) == NULL);
    MR_ASSERT(read_text(&again, text, arena) && mr_slice_equal(again, text));
}

/* All names and values but `sig` and `s` are in the text, and nothing else is. */
static void check_same_pairs(const struct mr_signed_address *address, struct mr_slice text, struct mr_arena *arena)
{
    struct mr_query query;
    struct mr_slice rest = text;
    unsigned signed_pairs = 0;
    mr_slice_cut(&rest, '?');
    MR_ASSERT(mr_query_parse(&query, rest, arena, NULL) == MR_OK);
    for (unsigned i = 0; i < address->count; i++) {
        const struct mr_param_pair *pair = &address->pairs[i];
        if (mr_slice_is(pair->name, "sig") || mr_slice_is(pair->name, "s"))
            continue;
        signed_pairs++;
        MR_ASSERT(mr_slice_equal(mr_query_find(&query, pair->name.at), pair->value));
    }
    MR_ASSERT(query.count == signed_pairs);
}

static int verify(struct mr_slice target, struct mr_arena *arena)
{
    struct mr_signed_address address;
    struct mr_fault fault;
    if (!read_target(&address, target, arena))
        return MR_ESIGNATURE;
    int err = mr_signature_verify(NULL, &signing, &address, 1, arena, &fault);
    MR_ASSERT(err == MR_OK || ((int)fault.error == err && (err == MR_ESIGNATURE || err == MR_ESIGEXPIRED)));
    return err;
}

static void check_signature(const struct mr_signed_address *address, struct mr_arena *arena)
{
    struct mr_slice url, before, after;
    struct mr_signed_address made;
    if (mr_signing_sign(&url, &signing, address, 1, arena, NULL) != MR_OK)
        return; /* it has a `kid` of its own, or 128 parameters become too many */
    if (!read_target(&made, url, arena))
        return;
    MR_ASSERT(verify(url, arena) == MR_OK);
    MR_ASSERT(verify(spell_target(&made, arena), arena) == MR_OK);
    char *changed = mr_arena_copy(arena, url);
    size_t at = choose((uint32_t)url.len);
    changed[at] = (char)(changed[at] ^ (1 + (char)choose(127)));
    struct mr_slice other = {.at = changed, .len = url.len};
    bool is_same = read_text(&before, url, arena) && read_text(&after, other, arena) && mr_slice_equal(before, after) &&
                   at < url.len - 43;
    MR_ASSERT(is_same || verify(other, arena) == MR_ESIGNATURE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_signed_address address;
    struct mr_slice text, other;
    struct mr_arena arena;
    if (signing.keys == NULL)
        open_ring();
    if (size < sizeof(turn))
        return 0;
    memcpy(&turn, data, sizeof(turn));
    mr_arena_init(&arena);
    struct mr_slice target = {.at = (const char *)data + sizeof(turn), .len = size - sizeof(turn)};
    (void)verify(target, &arena);
    if (read_target(&address, target, &arena) && mr_signature_text(&text, &address, &arena, NULL) == MR_OK) {
        check_text(text, &arena);
        check_same_pairs(&address, text, &arena);
        MR_ASSERT(read_text(&other, spell_target(&address, &arena), &arena) && mr_slice_equal(other, text));
        check_signature(&address, &arena);
    }
    mr_arena_reset(&arena);
    return 0;
}
