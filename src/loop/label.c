#include "loop/label.h"

#define LABEL_TEXT(label, text) [label] = (text),
static const char *const label_texts[] = {MR_LABELS(LABEL_TEXT)};

const char *mr_label_text(unsigned label)
{
    return label < MR_LABEL_COUNT ? label_texts[label] : "unknown";
}
