/* See navigation.h. */
#include "http/navigation.h"

#include "http/head.h"

/* Returns true if a list of media ranges names HTML; wildcards do not, which
 * scripts and images send as well. */
static bool names_html(struct zkt_str list)
{
    struct zkt_str item;
    while (zkt__http_next_item(&list, &item)) {
        const char *end = memchr(item.data, ';', item.len);
        const size_t len = end != NULL ? (size_t)(end - item.data) : item.len;
        const struct zkt_str type = zkt__head_strip(
            (struct zkt_str){ item.data, len });
        if (zkt__head_same(type, "text/html") ||
            zkt__head_same(type, "application/xhtml+xml")) {
            return true;
        }
    }
    return false;
}

bool zkt__http_is_navigation(struct zkt_str fields)
{
    bool has_mode = false, navigates = false, wants_html = false;
    struct zkt_str name, value;
    while (zkt__http_next_field(&fields, &name, &value)) {
        if (zkt__head_same(name, "Sec-Fetch-Mode")) {
            navigates = !has_mode && zkt__head_same(value, "navigate");
            has_mode = true;
        } else if (zkt__head_same(name, "Accept")) {
            wants_html = wants_html || names_html(value);
        }
    }
    return has_mode ? navigates : wants_html;
}
