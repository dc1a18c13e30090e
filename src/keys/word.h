/* word.h -- words of a key file in messages. Private to keys/. */
#ifndef MR_KEYS_WORD_H
#define MR_KEYS_WORD_H

#include "base/slice.h"

/* The word, if a message can show it: up to 16 lower-case letters, '-' and '_'. Else "*", since a key may stand in a
 * wrong place. */
static inline struct mr_slice mr_word_to_show(struct mr_slice word)
{
    bool is_plain = word.len <= 16;
    for (size_t i = 0; i < word.len && is_plain; i++)
        is_plain = (word.at[i] >= 'a' && word.at[i] <= 'z') || word.at[i] == '-' || word.at[i] == '_';
    return is_plain ? word : MR_SLICE("*");
}

#endif
