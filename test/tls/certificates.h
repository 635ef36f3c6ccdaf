/* The certificates of a test in C: a folder that the script makes, which
 * CERTIFICATES names. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char certificates_folder[64];

static int certificates_run(const char *command)
{
    char line[512];
    snprintf(line, sizeof(line), "%s %s", command, certificates_folder);
    return system(line) == 0 ? 0 : -1;
}

static inline int certificates_make(void **state)
{
    const char *script = getenv("CERTIFICATES");
    (void)state;
    snprintf(certificates_folder, sizeof(certificates_folder),
             "/tmp/zocket-tls-XXXXXX");
    return script != NULL && mkdtemp(certificates_folder) != NULL
               ? certificates_run(script)
               : -1;
}

static inline int certificates_remove(void **state)
{
    (void)state;
    return certificates_run("rm -r");
}

/* Writes the path of a file into @out, and returns it. */
static inline const char *certificate_file(char out[128], const char *name,
                                           const char *ending)
{
    snprintf(out, 128, "%s/%s%s", certificates_folder, name, ending);
    return out;
}

#endif
