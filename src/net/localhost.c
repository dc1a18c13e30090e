#include "net/localhost.h"

bool mr_localhost_is(struct mr_slice name)
{
    static const struct mr_slice suffix = {".localhost", 10};
    if (name.len > 0 && name.at[name.len - 1] == '.') /* the root, written out */
        name.len--;
    if (mr_slice_is_nocase(name, suffix.at + 1))
        return true;
    return name.len > suffix.len && strncasecmp(name.at + name.len - suffix.len, suffix.at, suffix.len) == 0;
}
