/*
 * A server program for a test in C: started, killed and restarted on its old
 * port. Its output is read up to the line with its address.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
    pid_t pid;
    char url[128];
    char port[8];
    FILE *lines; /* further output, for tests that read it */
};

/* Runs @arguments and @port, unless they name listeners, with its output to the
 * pipe @out. */
static inline void program_exec(char *const *arguments, const char *port,
                                const int out[2])
{
    char *all[64];
    char flag[] = "--port", number[8];
    size_t n = 0;
    bool listens = false;
    for (; arguments[n] != NULL && n < 60; n++) {
        all[n] = arguments[n];
        listens = listens || strcmp(arguments[n], "--listen") == 0;
    }
    snprintf(number, sizeof(number), "%s", port);
    if (!listens) {
        all[n++] = flag;
        all[n++] = number;
    }
    all[n] = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* ends with the test */
    (void)dup2(out[1], STDOUT_FILENO);
    (void)dup2(out[1], STDERR_FILENO);
    (void)close(out[0]);
    (void)close(out[1]);
    (void)execv(all[0], all);
    _exit(127);
}

/* Starts the program and waits until it listens; returns false if it does
 * not. */
static inline bool program_start(struct program *p, char *const *arguments,
                                 const char *port)
{
    int out[2];
    char line[512];
    bool listening = false;
    if (pipe(out) != 0) {
        return false;
    }
    p->pid = fork();
    if (p->pid == 0) {
        program_exec(arguments, port, out);
    }
    (void)close(out[1]);
    p->lines = fdopen(out[0], "r");
    while (!listening && fgets(line, sizeof(line), p->lines) != NULL) {
        listening = sscanf(line, "listening on %127s", p->url) == 1;
    }
    if (listening) {
        snprintf(p->port, sizeof(p->port), "%s", strrchr(p->url, ':') + 1);
    }
    /* The reading end stays open, otherwise later output would kill the
     * program. */
    return listening;
}

static inline void program_kill(struct program *p)
{
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

#endif
