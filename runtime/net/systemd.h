/*
 * The protocols of systemd that a service speaks without its library:
 * descriptors by socket activation (sd_listen_fds(3)), and notifications
 * (sd_notify(3)).
 */
#ifndef ZKT_NET_SYSTEMD_H
#define ZKT_NET_SYSTEMD_H

/* The first passed descriptor; the others follow it. */
#define ZKT_SYSTEMD_FIRST_FD 3

/**
 * Returns the number of descriptors that the environment says were passed to
 * this process: 0 if LISTEN_PID is absent or of another process; -1 if
 * LISTEN_PID or LISTEN_FDS is no number, or there are more than @most.
 */
int zkt__systemd_descriptors(int most);

/**
 * Sends @state, such as "READY=1", to the socket of NOTIFY_SOCKET. Returns 0,
 * also if there is no such variable, or a negative errno value: -EINVAL if it
 * names no socket.
 */
int zkt__systemd_notify(const char *state);

#endif
