/* See unicode.h. The names are those of the Unicode standard, in small letters.
 */
#include "util/unicode.h"

struct range {
    unsigned first, last;
    const char *name;
};

/* Default_Ignorable_Code_Point and Cc, but for variation selectors, which
 * belong to the character in front of them. */
static const struct range unseen[] = {
    { 0x0, 0x1f, "control character" },
    { 0x7f, 0x9f, "control character" },
    { 0xad, 0xad, "soft hyphen" },
    { 0x61c, 0x61c, "arabic letter mark" },
    { 0x115f, 0x1160, "hangul filler" },
    { 0x180e, 0x180e, "mongolian vowel separator" },
    { 0x200b, 0x200b, "zero width space" },
    { 0x200c, 0x200c, "zero width non-joiner" },
    { 0x200d, 0x200d, "zero width joiner" },
    { 0x200e, 0x200e, "left-to-right mark" },
    { 0x200f, 0x200f, "right-to-left mark" },
    { 0x2028, 0x2028, "line separator" },
    { 0x2029, 0x2029, "paragraph separator" },
    { 0x202a, 0x202a, "left-to-right embedding" },
    { 0x202b, 0x202b, "right-to-left embedding" },
    { 0x202c, 0x202c, "pop directional formatting" },
    { 0x202d, 0x202d, "left-to-right override" },
    { 0x202e, 0x202e, "right-to-left override" },
    { 0x2060, 0x2060, "word joiner" },
    { 0x2061, 0x2065, "invisible operator" },
    { 0x2066, 0x2066, "left-to-right isolate" },
    { 0x2067, 0x2067, "right-to-left isolate" },
    { 0x2068, 0x2068, "first strong isolate" },
    { 0x2069, 0x2069, "pop directional isolate" },
    { 0x206a, 0x206f, "deprecated format character" },
    { 0x3164, 0x3164, "hangul filler" },
    { 0xfeff, 0xfeff, "byte order mark" },
    { 0xffa0, 0xffa0, "hangul filler" },
    { 0xfff9, 0xfffb, "interlinear annotation" },
    { 0xe0000, 0xe007f, "tag character" },
};

/* Zs except for the space, and characters without ink. */
static const struct range blanks[] = {
    { 0xa0, 0xa0, "no-break space" },
    { 0x1680, 0x1680, "ogham space mark" },
    { 0x2000, 0x200a, "space of another width" },
    { 0x202f, 0x202f, "narrow no-break space" },
    { 0x205f, 0x205f, "medium mathematical space" },
    { 0x2800, 0x2800, "braille pattern blank" },
    { 0x3000, 0x3000, "ideographic space" },
};

unsigned unicode_read(const char *text, size_t len, size_t *size)
{
    static const unsigned char lead_bits[] = { 0x7f, 0x7f, 0x1f, 0x0f, 0x07 };
    const unsigned char lead = (unsigned char)text[0];
    *size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned code = lead & lead_bits[*size];
    for (size_t i = 1; i < *size; i++) {
        if (i >= len || ((unsigned char)text[i] & 0xc0) != 0x80) {
            *size = 1;
            return 0;
        }
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    return code;
}

static const char *find(const struct range *ranges, size_t count, unsigned code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return ranges[i].name;
        }
    }
    return NULL;
}

bool unicode_is_unseen(unsigned code)
{
    return code < 0x20 ||
           (code >= 0x7f &&
            find(unseen, sizeof(unseen) / sizeof(unseen[0]), code) != NULL);
}

const char *unicode_name(unsigned code)
{
    const char *name = find(unseen, sizeof(unseen) / sizeof(unseen[0]), code);
    return name != NULL
               ? name
               : find(blanks, sizeof(blanks) / sizeof(blanks[0]), code);
}
