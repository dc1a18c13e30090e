#include "base/log.h"
void mr_log_flush(void)
{
}
