/*
 * The descriptors that systemd passes to a service by socket activation
 * (sd_listen_fds(3)), without its library.
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

#endif
