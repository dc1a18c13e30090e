/* DESIGN
 * A state machine over the octets of the framing; data is skipped in one go. There is one function for each part of the
 * grammar; it returns the state behind an octet, or REFUSED.
 *
 *   chunk    = SIZE *( ";" EXT_NAME [ "=" EXT_VALUE / EXT_QUOTED ] ) CRLF [ DATA CRLF ]
 *   trailers = *( FIELD_NAME ":" FIELD_VALUE CRLF ) CRLF */
#include "http/http1/chunked.h"
#include "base/number.h"
#include "http/chars.h"

enum state {
    SIZE,
    EXT_START,
    EXT_NAME,
    EXT_VALUE_START,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE_START,
    FIELD_NAME,
    FIELD_VALUE,
    FIELD_LF,
    END_LF,
    DONE,
    REFUSED,
};

void mr_chunked_init(struct mr_chunked *guard)
{
    *guard = (struct mr_chunked){.state = SIZE};
}

static enum state after_extension(char c)
{
    return c == ';' ? EXT_START : c == '\r' ? SIZE_LF : REFUSED;
}

static enum state in_size(struct mr_chunked *guard, char c)
{
    int digit = mr_number_hex_value(c);
    if (digit < 0)
        return guard->digits > 0 ? after_extension(c) : REFUSED;
    if (guard->digits == MR_CHUNK_DIGITS_MAX || guard->left > (uint64_t)INT64_MAX >> 4)
        return REFUSED;
    guard->digits++;
    guard->left = guard->left << 4 | (unsigned)digit;
    return SIZE;
}

static enum state in_extension(enum state state, char c)
{
    bool token = mr_char_is(c, MR_CHAR_TOKEN);
    switch (state) {
    case EXT_START:
        return token ? EXT_NAME : REFUSED;
    case EXT_NAME:
        return token ? EXT_NAME : c == '=' ? EXT_VALUE_START : after_extension(c);
    case EXT_VALUE_START:
        return token ? EXT_VALUE : c == '"' ? EXT_QUOTED : REFUSED;
    case EXT_VALUE:
        return token ? EXT_VALUE : after_extension(c);
    case EXT_QUOTED:
        return c == '"' ? EXT_QUOTED_END : mr_char_is(c, MR_CHAR_QUOTED) ? EXT_QUOTED : REFUSED;
    default: /* EXT_QUOTED_END */
        return after_extension(c);
    }
}

static enum state after_size(struct mr_chunked *guard)
{
    guard->digits = 0;
    guard->extension = 0;
    return guard->left > 0 ? DATA : LINE_START;
}

static enum state in_trailers(enum state state, char c)
{
    bool token = mr_char_is(c, MR_CHAR_TOKEN);
    switch (state) {
    case LINE_START:
        return token ? FIELD_NAME : c == '\r' ? END_LF : REFUSED;
    case FIELD_NAME:
        return token ? FIELD_NAME : c == ':' ? FIELD_VALUE : REFUSED;
    case FIELD_VALUE:
        return mr_char_is(c, MR_CHAR_FIELD) ? FIELD_VALUE : c == '\r' ? FIELD_LF : REFUSED;
    case FIELD_LF:
        return c == '\n' ? LINE_START : REFUSED;
    default: /* END_LF */
        return c == '\n' ? DONE : REFUSED;
    }
}

static enum state step(struct mr_chunked *guard, char c)
{
    enum state state = guard->state;
    switch (state) {
    case SIZE:
        return in_size(guard, c);
    case SIZE_LF:
        return c == '\n' ? after_size(guard) : REFUSED;
    case DATA_CR:
        return c == '\r' ? DATA_LF : REFUSED;
    case DATA_LF:
        return c == '\n' ? SIZE : REFUSED;
    default:
        return state < SIZE_LF ? in_extension(state, c) : in_trailers(state, c);
    }
}

static int refuse(enum state state, struct mr_fault *fault)
{
    const char *place = state == SIZE      ? "a chunk size"
                        : state <= SIZE_LF ? "a chunk extension or the end of its line"
                        : state <= DATA_LF ? "the line end behind a chunk"
                                           : "the trailer fields";
    return mr_fault_set(fault, MR_EREQUEST, "The chunked body is malformed, in %s.", place);
}

static bool is_of_extension(enum state state)
{
    return state >= EXT_START && state < SIZE_LF;
}

/* Count the octet that led from one state to another. */
static int count(struct mr_chunked *guard, enum state from, enum state to, struct mr_fault *fault)
{
    if (is_of_extension(to)) {
        if (++guard->extension > MR_CHUNK_EXTENSION_MAX)
            return mr_fault_limit(fault, MR_EREQUEST, "max-chunk-extension", MR_CHUNK_EXTENSION_MAX, guard->extension);
        if (++guard->extensions > MR_CHUNK_EXTENSIONS_MAX)
            return mr_fault_limit(fault, MR_EREQUEST, "max-chunk-extensions", MR_CHUNK_EXTENSIONS_MAX,
                                  guard->extensions);
    } else if (from >= LINE_START && to < END_LF) {
        if (++guard->trailers > MR_CHUNK_TRAILERS_MAX)
            return mr_fault_limit(fault, MR_EHEAD, "max-trailers", MR_CHUNK_TRAILERS_MAX, guard->trailers);
    }
    return MR_OK;
}

static size_t skip_data(struct mr_chunked *guard, size_t len)
{
    size_t data = guard->left < len ? (size_t)guard->left : len;
    guard->left -= data;
    if (guard->left == 0)
        guard->state = DATA_CR;
    return data;
}

int mr_chunked_guard(struct mr_chunked *guard, const char *bytes, size_t len, struct mr_fault *fault)
{
    size_t at = 0;
    guard->skipped = false;
    while (at < len && guard->state != DONE) {
        if (guard->state == DATA) {
            at += skip_data(guard, len - at);
            continue;
        }
        enum state from = guard->state, to = step(guard, bytes[at]);
        if (to == REFUSED)
            return refuse(from, fault);
        if (at > 0 && is_of_extension(to) != guard->skipped) /* step() has changed nothing between the two */
            break;
        guard->skipped = is_of_extension(to);
        int err = count(guard, from, to, fault);
        if (err != MR_OK)
            return err;
        guard->state = (uint8_t)to;
        at++;
    }
    guard->done = guard->state == DONE;
    guard->used = at;
    return MR_OK;
}
