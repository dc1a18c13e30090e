/* age.h -- the stages of age, the file format of age-encryption.org/v1 (c2sp.org/age).
 *
 *   encrypt    to X25519 recipients ("age1...") or to a passphrase; armor=1: as text
 *   decrypt    with X25519 identities, of the server or sent with the request, or with a passphrase
 *   armor      text around the bytes: encrypt's wrap
 *   dearmor    the bytes again: decrypt's sniff
 *
 * Recipients of other types (post-quantum, plugins, ssh) are not read: MR_EPARAM at encrypt; at decrypt their stanzas
 * are passed over, so that a file with none but these is MR_ENOKEY.
 *
 * decrypt says what is wrong with a file in this order: no age file or another version MR_EFORMAT; header malformed
 * MR_ECORRUPT; no key MR_ENOKEY, a passphrase that takes too much work MR_EKEYWORK; header MAC wrong MR_ECORRUPT; then
 * the payload, MR_ECORRUPT. No byte of a chunk leaves before its tag was right. */
#ifndef MR_MEDIA_AGE_H
#define MR_MEDIA_AGE_H

#include "media/stage.h"

enum { MR_AGE_RECIPIENTS_MAX = 32 }; /* of one encrypt */

extern const struct mr_stage_ops mr_stage_encrypt;
extern const struct mr_stage_ops mr_stage_decrypt;
extern const struct mr_stage_ops mr_stage_armor;
extern const struct mr_stage_ops mr_stage_dearmor;

#endif
