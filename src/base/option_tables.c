#include "base/option_tables.h"
#include "base/assert.h"

void mr_options_compose(struct mr_option *out, size_t room, const struct mr_option_table *tables)
{
    size_t count = 0;
    for (; tables->rows != NULL; tables++) {
        for (const struct mr_option *row = tables->rows; row->spec.name != NULL; row++) {
            MR_ASSERT(count + 1 < room);
            out[count] = *row;
            out[count++].offset += tables->offset;
        }
    }
    MR_ASSERT(count < room);
    out[count] = (struct mr_option)MR_OPTION_END;
}
