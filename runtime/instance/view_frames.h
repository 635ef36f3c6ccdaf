/*
 * The operations by which the copy of a subscriber changes that no other
 * subscriber shares: fields appear and disappear with its audiences, and
 * entries with its identities.
 */
#ifndef ZKT_INSTANCE_VIEW_FRAMES_H
#define ZKT_INSTANCE_VIEW_FRAMES_H

#include "instance/registry.h"
#include "state/patch.h"

/** Writes `add` of the fields that a subscriber sees when its audiences become
 * @after, and `remove` of those that it saw before. @changes has the change of
 * each field, or NULL; NULL: the state has not changed. */
void zkt__patch_audiences(struct zkt_patch *p,
                          const struct zkt_instance *instance, uint8_t before,
                          uint8_t after,
                          const struct zkt_change *const *changes);
/** Writes that an entry appears, disappears or is replaced. */
void zkt__patch_entry(struct zkt_patch *p, const struct zkt_instance *instance,
                      const struct zkt_identity_map *map, struct zkt_str key,
                      bool existed, const void *now);

/** Makes the patch for a subscriber that changes to @audiences and to its next
 * identities; *@frame is NULL if nothing changes. Returns false if there is no
 * memory. */
bool zkt__view_frame(struct zkt_host *host, const struct zkt_view *view,
                     uint8_t audiences, struct zkt_buffer **frame);

/** Writes the state as a subscriber sees it, an object that ends with its maps
 * `to` an identity, and those empty. */
void zkt__view_write_state(const struct zkt_instance *instance,
                           const struct zkt_view *view, struct zkt_writer *w);
/** Puts the entries of a subscriber into a snapshot that was written without.
 * Returns a reference, or NULL if there is no memory. */
struct zkt_buffer *zkt__view_complete(struct zkt_host *host,
                                      const struct zkt_view *view,
                                      struct zkt_buffer *snapshot);

#endif
