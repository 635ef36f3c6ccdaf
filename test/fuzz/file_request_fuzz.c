/*
 * Any path and any fields of a request for a file. The first line is the path,
 * the rest are fields. A path that is taken has names that stay in their
 * folder, and that are the path as it is decoded at once. A range lies in its
 * file. A date that is read is the one that is written of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/accept.h"
#include "http/coding.h"
#include "http/conditions.h"
#include "http/date.h"
#include "http/file_path.h"
#include "http/head.h"
#include "http/media_type.h"
#include "http/navigation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Decodes a path that was taken, in place. Returns its length. */
static size_t decode(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++, n++) {
        if (text[i] == '%') {
            const char digits[] = { text[i + 1], text[i + 2], '\0' };
            text[n] = (char)strtol(digits, NULL, 16);
            i += 2;
        } else {
            text[n] = text[i];
        }
    }
    return n;
}

static void check_name(const char *name, bool first)
{
    const size_t len = strlen(name);
    require(len > 0 && len <= ZKT_HTTP_NAME_MAX);
    require(strpbrk(name, "/\\") == NULL);
    require(name[0] != '.' || (first && strcmp(name, ".well-known") == 0));
    require(zkt__http_media_type((struct zkt_str){ name, len }) != NULL);
}

static void check_path(struct zkt_str text)
{
    static struct zkt_http_file_path path;
    char joined[ZKT_HTTP_PATH_BYTES + 2] = "", *copy;
    const char *name = path.names;
    char *at = joined;
    const int status = zkt__http_file_path(text, &path);
    require(status == 0 || status == 400 || status == 404);
    if (status != 0) {
        return;
    }
    require(path.count <= ZKT_HTTP_PATH_NAMES);
    for (size_t i = 0; i < path.count; i++) {
        check_name(name, i == 0);
        require((name == path.last) == (i + 1 == path.count));
        *at++ = '/';
        at = stpcpy(at, name);
        name += strlen(name) + 1;
        require(name <= path.names + ZKT_HTTP_PATH_BYTES);
    }
    at = stpcpy(at, path.folder ? "/" : "");
    copy = malloc(text.len);
    memcpy(copy, text.data, text.len);
    const size_t len = decode(copy, text.len);
    require(len == (size_t)(at - joined) && memcmp(copy, joined, len) == 0);
    free(copy);
}

static void check_dates(struct zkt_str fields)
{
    struct zkt_str name, value;
    while (zkt__http_next_field(&fields, &name, &value)) {
        char text[ZKT_HTTP_DATE_SIZE];
        int64_t seconds, again = -1;
        if (zkt__http_parse_date(value, &seconds) && seconds > 0) {
            zkt__http_date(seconds * 1000, text);
            require(zkt__http_parse_date(zkt_cstr(text), &again) &&
                    again == seconds);
        }
    }
}

static void check_fields(struct zkt_str fields)
{
    const struct zkt_http_validators current = {
        .etag = ZKT_STR("\"1\""),
        .modified_s = 784111777,
        .now_s = 784111778,
        .size = fields.len % 2 == 0 ? 10 : UINT64_MAX,
    };
    struct zkt_http_range range;
    const int status = zkt__http_judge_conditions(fields, &current, true,
                                                  &range);
    require(status == 200 || status == 206 || status == 304 || status == 412 ||
            status == 416);
    require(range.first < current.size && range.len > 0 &&
            range.len <= current.size - range.first);
    require(status == 206 || range.len == current.size);
    const int head = zkt__http_judge_conditions(fields, &current, false,
                                                &range);
    require(head == status ||
            (head == 200 && (status == 206 || status == 416)));
    const struct zkt_http_accepted accepted = zkt__http_accepted(fields);
    for (int i = 0; i < ZKT_HTTP_CODING_COUNT; i++) {
        require(accepted.weights[i] <= ZKT_HTTP_WEIGHT_MAX);
    }
    (void)zkt__http_is_navigation(fields);
    check_dates(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    const char *line = memchr(text, '\n', size);
    const size_t len = line != NULL ? (size_t)(line - text) : size;
    check_path((struct zkt_str){ text, len });
    if (line != NULL) {
        check_fields((struct zkt_str){ line + 1, size - len - 1 });
    }
    free(text);
    return 0;
}
