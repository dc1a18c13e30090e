#include "routes/image_negotiation.h"
#include "base/macros.h"
#include "http/negotiation.h"

bool mr_image_negotiate(struct mr_image_ops *ops, const struct mr_head *head, uint32_t allowed)
{
    static const enum mr_image_format named[] = {MR_IMAGE_AVIF, MR_IMAGE_WEBP};
    uint32_t picks = mr_image_ops_picks(ops);
    if (picks == 0)
        return false;
    if ((allowed & mr_image_writable_bits()) != 0) /* else it is refused when it is made */
        allowed &= mr_image_writable_bits();
    for (size_t i = 0; i < MR_ARRAY_SIZE(named); i++)
        if (mr_negotiation_names(head, mr_image_media_type(named[i])))
            picks |= MR_IMAGE_BIT(named[i]);
    ops->picks = (picks & allowed) != 0 ? picks & allowed : allowed;
    return true;
}
