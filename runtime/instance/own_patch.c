/* See own_patch.h. */
#include "instance/own_patch.h"

#include "instance/views.h"

/* Returns the private commit of a contact, or NULL. */
static struct zkt_private *find_private(const struct zkt_contact *contact)
{
    const struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_private *mine = attachment->view != NULL
                                   ? &attachment->view->private
                                   : NULL;
    const struct zkt_private *p = attachment->group->privates;
    while (p != NULL && p != mine) {
        p = p->next;
    }
    return p != NULL ? mine : NULL;
}

/* Returns the patch that the contact shares with others, or NULL. */
static struct zkt_buffer *shared_patch(const struct zkt_contact *contact,
                                       const struct zkt_commit *content)
{
    const enum zkt_dialect dialect = contact->peer->dialect;
    const struct zkt_view *view = contact->attachment.view;
    if (contact->attachment.instance->views == NULL) {
        return content->patch[dialect];
    }
    return view != NULL && content->patches != NULL
               ? content->patches[view->audiences][dialect]
               : NULL;
}

/* Returns a copy of a patch that names the call; NULL: there is no memory. */
static struct zkt_buffer *name_call(struct zkt_host *host,
                                    const struct zkt_buffer *patch,
                                    struct zkt_str id)
{
    struct zkt_writer *w = &host->plain;
    const struct zkt_str text = zkt__frame_text(patch);
    zkt__frame_begin(w);
    zkt_write_raw(w, text.data, text.len - 1);
    ZKT_WRITE(w, ",\"calls\":[");
    zkt_write_raw(w, id.data, id.len);
    ZKT_WRITE(w, "]}");
    zkt__host_spend(host, zkt__frame_payload(w));
    return zkt__frame_share(w);
}

void zkt__own_patch_begin(struct zkt_own_patch *own, struct zkt_task *task,
                          const struct zkt_commit *content)
{
    struct zkt_contact *contact = task->contact;
    own->group = NULL;
    if (task->kind != ZKT_TASK_CALL || !task->is_optimistic ||
        contact->attachment.instance == NULL ||
        !contact->attachment.subscribed[ZKT_TOPIC_STATE]) {
        return;
    }
    own->changed = find_private(contact);
    own->replaced = own->changed != NULL ? own->changed->patch
                                         : shared_patch(contact, content);
    own->frame = own->replaced != NULL
                     ? name_call(task->call.host, own->replaced,
                                 task->request.id)
                     : NULL;
    if (own->frame == NULL) {
        return;
    }
    own->group = contact->attachment.group;
    if (own->changed != NULL) {
        own->changed->patch = own->frame;
        own->changed->call = task->request.id;
        return;
    }
    own->added = (struct zkt_private){
        .next = own->group->privates,
        .contact = contact,
        .patch = own->frame,
        .call = task->request.id,
        .audiences = contact->attachment.view != NULL
                         ? contact->attachment.view->audiences
                         : 0,
    };
    own->group->privates = &own->added;
}

void zkt__own_patch_end(const struct zkt_own_patch *own)
{
    if (own->group == NULL) {
        return;
    }
    if (own->changed != NULL) {
        own->changed->patch = own->replaced;
        own->changed->call = (struct zkt_str){ NULL, 0 };
    } else {
        own->group->privates = own->added.next;
    }
    zkt__buffer_unref(own->frame);
}
