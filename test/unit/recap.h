/*
 * Handlers of the board of recap.zkt that several tests have.
 */
#ifndef RECAP_H
#define RECAP_H

#include "recap_server.h"

static enum zkt_status set(struct recap_board_call *call,
                           const struct recap_board_set_input *in)
{
    recap_board_set_n(call, in->n);
    return ZKT_OK;
}

static enum zkt_status append(struct recap_board_call *call,
                              const struct recap_board_append_input *in)
{
    recap_board_append_lines(call, in->text);
    return ZKT_OK;
}

static enum zkt_status insert(struct recap_board_call *call,
                              const struct recap_board_insert_input *in)
{
    /* Before the last line, where the dialects differ. */
    recap_board_insert_lines(call, call->state->lines.len - 1, in->text);
    return ZKT_OK;
}

static enum zkt_status hide(struct recap_board_call *call,
                            const struct recap_board_hide_input *in)
{
    recap_board_set_secret(call, in->n);
    return ZKT_OK;
}

static enum zkt_status read_lines(struct recap_board_call *call,
                                  struct zkt_str_list *out)
{
    *out = call->state->lines;
    return ZKT_OK;
}

static enum zkt_status end(struct recap_board_call *call)
{
    zkt_destroy(call->zkt);
    return ZKT_OK;
}

#endif
