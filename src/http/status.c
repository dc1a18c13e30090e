#include "http/status.h"
#include <stdint.h>

#define CODES_END 600

static const struct {
    uint16_t code;
    struct mr_slice line; /* whole, since every response begins with one */
} rows[MR_STATUS_COUNT] = {[MR_STATUS_NONE] = {0, {"", 0}},
#define ROW(status, reason) \
    [MR_STATUS_##           \
        status] = {(status), {"HTTP/1.1 " #status " " reason "\r\n", sizeof("HTTP/1.1 000 " reason "\r\n") - 1}},
                           MR_STATUSES(ROW)
#undef ROW
};

static const uint8_t indexes[CODES_END] = {
#define PLACE(status, reason) [status] = MR_STATUS_##status,
    MR_STATUSES(PLACE)
#undef PLACE
};
_Static_assert(MR_STATUS_COUNT <= UINT8_MAX, "an index fits");

enum mr_status_index mr_status_index(int code)
{
    return code >= 0 && code < CODES_END ? (enum mr_status_index)indexes[code] : MR_STATUS_NONE;
}

int mr_status_code(enum mr_status_index index)
{
    return rows[index].code;
}

struct mr_slice mr_status_line(enum mr_status_index index)
{
    return rows[index].line;
}

bool mr_status_has_body(int code)
{
    return code >= 200 && code != 204 && code != 205 && code != 304;
}
