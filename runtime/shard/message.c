/* Copies messages into carriers: see message.h. */
#include "shard/message.h"

#include <string.h>

#include "shard/stream.h"

/* ---- up ---- */

static size_t aligned(size_t size)
{
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

static size_t measure_outputs(const struct zkt_msg_call *call)
{
    const uint32_t count = call->method->middleware.count;
    size_t size = aligned(count * sizeof(*call->outputs));
    for (uint32_t i = 0; i < count; i++) {
        const struct zkt_output *output = &call->outputs[i];
        size += output->type != NULL
                    ? aligned(zkt__value_measure(output->type, output->value))
                    : 0;
    }
    return size;
}

static size_t measure_trace(const struct zkt_msg_call *call)
{
    return call->request.trace != NULL ? strlen(call->request.trace) + 1 : 0;
}

/* Returns the size of a copy of a call's id, trace, input and outputs. */
static size_t measure_body(const struct zkt_msg *m)
{
    size_t size = aligned(m->of.call.id.len + measure_trace(&m->of.call));
    if (m->of.call.input != NULL) {
        size += aligned(
            zkt__value_measure(m->of.call.method->input, m->of.call.input));
    }
    return m->of.call.outputs != NULL ? size + measure_outputs(&m->of.call)
                                      : size;
}

/* Returns the size of the part of a carrier behind the message. */
static size_t measure_trailer(const struct zkt_msg *m)
{
    switch (m->kind) {
    case ZKT_MSG_CALL:
        return sizeof(struct zkt_waiting);
    case ZKT_MSG_CANCEL:
        return m->of.cancel.client_id.len + m->of.cancel.id.len;
    case ZKT_MSG_DESTROY:
        return m->of.destroy.name.len;
    default:
        return 0;
    }
}

size_t zkt__msg_size(const struct zkt_msg *m)
{
    return sizeof(*m) + measure_trailer(m) +
           (m->kind == ZKT_MSG_CALL ? measure_body(m) : 0);
}

/* Copies the outputs of a call to @at, which has room. */
static const struct zkt_output *copy_outputs(const struct zkt_msg_call *call,
                                             char *at)
{
    const uint32_t count = call->method->middleware.count;
    struct zkt_output *copies = (void *)at;
    at += aligned(count * sizeof(*copies));
    for (uint32_t i = 0; i < count; i++) {
        const struct zkt_output *output = &call->outputs[i];
        copies[i] = *output;
        if (output->type != NULL) {
            copies[i].value = zkt__value_dup_into(output->type, output->value,
                                                  at);
            at += aligned(zkt__value_measure(output->type, output->value));
        }
    }
    return copies;
}

/* Copies the id, trace, input and outputs of a call. Returns false if there is
 * no memory. */
static bool pack_call(const struct zkt_allocator *allocator, struct zkt_msg *to)
{
    const size_t size = measure_body(to);
    const struct zkt_str id = to->of.call.id;
    char *body = zkt__alloc(allocator, size > 0 ? size : 1);
    if (body == NULL) {
        return false;
    }
    const size_t trace = measure_trace(&to->of.call);
    memcpy(body, id.data, id.len);
    char *at = body + aligned(id.len + trace);
    to->of.call.body = body;
    to->of.call.id.data = body;
    if (trace > 0) {
        to->of.call.request.trace = memcpy(body + id.len,
                                           to->of.call.request.trace, trace);
    }
    if (to->of.call.input != NULL) {
        to->of.call.input = zkt__value_dup_into(to->of.call.method->input,
                                                to->of.call.input, at);
        at += aligned(
            zkt__value_measure(to->of.call.method->input, to->of.call.input));
    }
    if (to->of.call.outputs != NULL) {
        to->of.call.outputs = copy_outputs(&to->of.call, at);
    }
    return true;
}

/* Copies a text to *@at, and moves that behind it. */
static void copy_text(struct zkt_str *text, char **at)
{
    memcpy(*at, text->data, text->len);
    text->data = *at;
    *at += text->len;
}

/* Fills the part of a carrier behind the message. Returns false if there is no
 * memory. */
static bool pack_trailer(const struct zkt_allocator *allocator,
                         struct zkt_msg *to)
{
    char *at = (char *)(to + 1);
    if (to->kind == ZKT_MSG_CALL) {
        *zkt__msg_waiting(to) = (struct zkt_waiting){ .has_seat = false };
        return pack_call(allocator, to);
    }
    if (to->kind == ZKT_MSG_CANCEL) {
        copy_text(&to->of.cancel.client_id, &at);
        copy_text(&to->of.cancel.id, &at);
    } else if (to->kind == ZKT_MSG_DESTROY) {
        copy_text(&to->of.destroy.name, &at);
    }
    return true;
}

struct zkt_msg *zkt__msg_pack(const struct zkt_allocator *allocator,
                              const struct zkt_msg *m)
{
    struct zkt_msg *copy = zkt__alloc(allocator,
                                      sizeof(*copy) + measure_trailer(m));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *m;
    copy->node = (struct zkt_node){ NULL, NULL };
    copy->bytes = zkt__msg_size(m);
    if (!pack_trailer(allocator, copy)) {
        zkt__release(allocator, copy);
        return NULL;
    }
    zkt__connection_record_ref(copy->record);
    return copy;
}

/* ---- down ---- */

/* Takes references to the borrowed patches of a catch-up. Returns false if
 * there is no memory. */
static bool keep_patches(const struct zkt_allocator *allocator,
                         struct zkt_catch_up *content)
{
    if (content->patch_count == 0) {
        return true;
    }
    struct zkt_buffer **kept = zkt__alloc_zero(allocator, content->patch_count,
                                               sizeof(*kept));
    if (kept == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < content->patch_count; i++) {
        kept[i] = zkt__buffer_ref(content->patches[i]);
    }
    content->patches = kept;
    return true;
}

static void own_catch_up(const struct zkt_allocator *allocator,
                         struct zkt_msg *m)
{
    struct zkt_catch_up *content = &m->of.catch_up.content;
    if (content->snapshot == NULL) {
        return;
    }
    if (!keep_patches(allocator, content)) {
        *content = (struct zkt_catch_up){ NULL, NULL, 0 };
        return;
    }
    zkt__buffer_ref(content->snapshot);
    m->bytes += content->snapshot->len;
}

static void own_result(struct zkt_msg *m)
{
    if (m->of.result.text != NULL) {
        m->of.result.frame = zkt__frame_share(m->of.result.text);
        m->of.result.text = NULL;
    } else if (m->of.result.frame != NULL) {
        zkt__buffer_ref(m->of.result.frame);
    }
    m->bytes += m->of.result.frame != NULL ? m->of.result.frame->len : 0;
    if (m->of.result.stream != NULL) {
        zkt__stream_ref(m->of.result.stream);
    }
}

void zkt__msg_carry(const struct zkt_allocator *allocator,
                    struct zkt_msg *carrier, const struct zkt_msg *m)
{
    if (carrier != m) {
        zkt__connection_record_unref(carrier->record);
        *carrier = *m;
    }
    carrier->node = (struct zkt_node){ NULL, NULL };
    if (carrier->kind == ZKT_MSG_CALL) {
        return; /* of the program, packed before */
    }
    carrier->bytes = sizeof(*carrier);
    if (carrier->kind == ZKT_MSG_RESULT) {
        own_result(carrier);
    } else if (carrier->kind == ZKT_MSG_CHUNK ||
               carrier->kind == ZKT_MSG_PROGRESS) {
        carrier->bytes += carrier->of.part->frame->len;
    } else if (carrier->kind == ZKT_MSG_CATCH_UP) {
        own_catch_up(allocator, carrier);
    } else if (carrier->kind == ZKT_MSG_CLOSED &&
               carrier->of.closed.failure != NULL) {
        zkt__buffer_ref(carrier->of.closed.failure);
        carrier->bytes += carrier->of.closed.failure->len;
    }
}

/* ---- commits ---- */

struct packed_commit {
    struct zkt_msg m;
    struct zkt_commit commit;
    /* Followed by the patches by set of audiences, and the privates; then the
     * events, their ids, and the texts of the ids. */
};

static size_t measure_events(const struct zkt_emitted *events)
{
    size_t size = 0;
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        size += sizeof(*e) + e->target.len * sizeof(struct zkt_str);
        for (size_t i = 0; i < e->target.len; i++) {
            size += e->target.ids[i].len;
        }
    }
    return size;
}

/* Copies @ids to @to, and their texts to *@text. */
static struct zkt_str *copy_ids(struct zkt_str *to, const struct zkt_str *ids,
                                size_t len, char **text)
{
    for (size_t i = 0; i < len; i++) {
        memcpy(*text, ids[i].data, ids[i].len);
        to[i] = (struct zkt_str){ *text, ids[i].len };
        *text += ids[i].len;
    }
    return to;
}

/* Copies events to @at, which has room: structs, then ids, then texts. */
static struct zkt_emitted *copy_events(const struct zkt_emitted *events,
                                       void *at)
{
    struct zkt_emitted *first = NULL;
    struct zkt_emitted **next = &first;
    struct zkt_emitted *copy = at;
    size_t ids = 0;
    size_t count = 0;
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        ids += e->target.len;
        count++;
    }
    struct zkt_str *id = (struct zkt_str *)(void *)(copy + count);
    char *text = (char *)(id + ids);
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        *copy = *e;
        copy->next = NULL;
        copy->frame = zkt__buffer_ref(e->frame);
        copy->target.ids = copy_ids(id, e->target.ids, e->target.len, &text);
        id += e->target.len;
        *next = copy;
        next = &copy->next;
        copy++;
    }
    return first;
}

static size_t measure_patch(struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    const size_t bytes = patch[0] != NULL ? patch[0]->len : 0;
    return bytes +
           (patch[1] != NULL && patch[1] != patch[0] ? patch[1]->len : 0);
}

static size_t frame_bytes(const struct zkt_msg_commit *m)
{
    const struct zkt_commit *commit = m->content;
    size_t bytes = measure_patch(commit->patch);
    for (size_t i = 0; commit->patches != NULL && i < ZKT_AUDIENCE_SETS; i++) {
        bytes += measure_patch(commit->patches[i]);
    }
    for (const struct zkt_private *p = m->privates; p != NULL; p = p->next) {
        bytes += p->patch != NULL ? p->patch->len : 0;
    }
    for (const struct zkt_emitted *e = commit->events; e != NULL; e = e->next) {
        bytes += e->frame->len;
    }
    return bytes;
}

/* Takes references to the patches of both dialects. */
static void keep_patch(struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        if (patch[i] != NULL) {
            zkt__buffer_ref(patch[i]);
        }
    }
}

static void release_patch(struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        zkt__buffer_unref(patch[i]);
    }
}

static size_t measure_patches(const struct zkt_commit *commit)
{
    return commit->patches != NULL
               ? ZKT_AUDIENCE_SETS * sizeof(commit->patches[0])
               : 0;
}

static size_t measure_privates(const struct zkt_private *privates)
{
    size_t size = 0;
    for (const struct zkt_private *p = privates; p != NULL; p = p->next) {
        size += sizeof(*p) + aligned(p->call.len);
    }
    return size;
}

/* Copies the patches by set of audiences to @at, which has room. */
static void copy_patches(struct zkt_commit *commit, void *at)
{
    if (commit->patches == NULL) {
        return;
    }
    memcpy(at, commit->patches, measure_patches(commit));
    commit->patches = at;
    for (size_t i = 0; i < ZKT_AUDIENCE_SETS; i++) {
        keep_patch(commit->patches[i]);
    }
}

/* Copies privates to @at, which has room: each with the id of its call. */
static const struct zkt_private *copy_privates(
    const struct zkt_private *privates, char *at)
{
    const struct zkt_private *first = NULL;
    const struct zkt_private **next = &first;
    for (const struct zkt_private *p = privates; p != NULL; p = p->next) {
        struct zkt_private *copy = (void *)at;
        *copy = *p;
        at += sizeof(*copy);
        if (p->call.data != NULL) {
            memcpy(at, p->call.data, p->call.len);
            copy->call.data = at;
            at += aligned(p->call.len);
        }
        if (p->patch != NULL) {
            zkt__buffer_ref(p->patch);
        }
        *next = copy;
        next = &copy->next;
    }
    return first;
}

static struct zkt_msg *pack_commit(const struct zkt_allocator *allocator,
                                   const struct zkt_msg *m)
{
    const struct zkt_commit *commit = m->of.commit.content;
    const size_t patches = measure_patches(commit);
    const size_t privates = measure_privates(m->of.commit.privates);
    const size_t size = sizeof(struct packed_commit) + patches + privates +
                        measure_events(commit->events);
    struct packed_commit *copy = zkt__alloc(allocator, size);
    if (copy == NULL) {
        return NULL;
    }
    char *at = (char *)(copy + 1);
    copy->m = *m;
    copy->m.bytes = size + frame_bytes(&m->of.commit);
    copy->m.of.commit.content = &copy->commit;
    copy->commit = *commit;
    keep_patch(commit->patch);
    copy_patches(&copy->commit, at);
    copy->m.of.commit.privates = copy_privates(m->of.commit.privates,
                                               at + patches);
    copy->commit.events = copy_events(commit->events, at + patches + privates);
    return &copy->m;
}

static struct zkt_msg *pack_change(const struct zkt_allocator *allocator,
                                   const struct zkt_msg *m)
{
    const struct zkt_msg_change *change = &m->of.change;
    const size_t head = aligned(sizeof(struct zkt_msg));
    const size_t size = head + zkt__connection_changes_measure(change->type,
                                                               change->changes);
    char *block = zkt__alloc(allocator, size);
    if (block == NULL) {
        return NULL;
    }
    struct zkt_msg *copy = (void *)block;
    *copy = *m;
    copy->bytes = size;
    copy->of.change.changes = zkt__connection_changes_copy(
        change->type, change->changes, block + head);
    return copy;
}

struct zkt_msg *zkt__msg_pack_reserved(const struct zkt_allocator *allocator,
                                       const struct zkt_msg *m)
{
    return m->kind == ZKT_MSG_CHANGE ? pack_change(allocator, m)
                                     : pack_commit(allocator, m);
}

static void release_commit(const struct zkt_msg_commit *m)
{
    const struct zkt_commit *commit = m->content;
    for (const struct zkt_emitted *e = commit->events; e != NULL; e = e->next) {
        zkt__buffer_unref(e->frame);
    }
    for (const struct zkt_private *p = m->privates; p != NULL; p = p->next) {
        zkt__buffer_unref(p->patch);
    }
    for (size_t i = 0; commit->patches != NULL && i < ZKT_AUDIENCE_SETS; i++) {
        release_patch(commit->patches[i]);
    }
    release_patch(commit->patch);
}

/* ---- freeing ---- */

static void release_catch_up(const struct zkt_allocator *allocator,
                             const struct zkt_catch_up *content)
{
    for (uint32_t i = 0; i < content->patch_count; i++) {
        zkt__buffer_unref(content->patches[i]);
    }
    if (content->patch_count > 0) {
        zkt__release(allocator, (void *)(uintptr_t)content->patches);
    }
    zkt__buffer_unref(content->snapshot);
}

static void release_content(const struct zkt_allocator *allocator,
                            struct zkt_msg *m)
{
    switch (m->kind) {
    case ZKT_MSG_CALL:
        zkt__release(allocator, m->of.call.body);
        break;
    case ZKT_MSG_SUBSCRIBE:
        zkt__release(allocator, m->of.subscribe.closing);
        break;
    case ZKT_MSG_RESULT:
        zkt__buffer_unref(m->of.result.frame);
        zkt__stream_unref(m->of.result.stream);
        break;
    case ZKT_MSG_CLOSED:
        zkt__buffer_unref(m->of.closed.failure);
        break;
    case ZKT_MSG_CATCH_UP:
        release_catch_up(allocator, &m->of.catch_up.content);
        break;
    case ZKT_MSG_COMMIT:
    case ZKT_MSG_BROADCAST:
        release_commit(&m->of.commit);
        break;
    case ZKT_MSG_UNSUBSCRIBE:
    case ZKT_MSG_SNAPSHOT:
    case ZKT_MSG_LEAVE:
    case ZKT_MSG_RECORD:
    case ZKT_MSG_CANCEL:
    case ZKT_MSG_DESTROY:
    case ZKT_MSG_SUBSCRIBED:
    case ZKT_MSG_LEFT:
    case ZKT_MSG_ENDED:
    case ZKT_MSG_CHANGE:
    case ZKT_MSG_CHUNK:
    case ZKT_MSG_PROGRESS:
        break;
    }
}

bool zkt__msg_is_embedded(const struct zkt_msg *m)
{
    switch (m->kind) {
    case ZKT_MSG_SNAPSHOT:
    case ZKT_MSG_LEAVE:
    case ZKT_MSG_LEFT:
    case ZKT_MSG_ENDED:
        return true;
    case ZKT_MSG_CATCH_UP:
        return m->of.catch_up.refreshes;
    default:
        return false;
    }
}

void zkt__msg_free(const struct zkt_allocator *allocator, struct zkt_msg *m)
{
    if (m == NULL) {
        return;
    }
    if (m->kind == ZKT_MSG_CHUNK || m->kind == ZKT_MSG_PROGRESS) {
        zkt__part_free(m->of.part);
        return;
    }
    zkt__connection_record_unref(m->record);
    release_content(allocator, m);
    if (!zkt__msg_is_embedded(m)) {
        zkt__release(allocator, m);
    }
}

/* ---- reserved carriers ---- */

struct zkt_msg *zkt__carriers_take(struct zkt_list *carriers)
{
    struct zkt_node *node = zkt__list_first(carriers);
    if (node == NULL) {
        return NULL;
    }
    zkt__node_unlink(node);
    return ZKT_CONTAINER(node, struct zkt_msg, node);
}

void zkt__carriers_drop(const struct zkt_host *host, struct zkt_list *carriers)
{
    struct zkt_msg *carrier;
    while ((carrier = zkt__carriers_take(carriers)) != NULL) {
        zkt__msg_free(host->allocator, carrier);
    }
}
