/* A server with the measured handlers, on sockets. */
#include "handlers.h"

int main(int argc, char **argv)
{
    return zkt_serve_main(bench_app(&bench_all), NULL, argc, argv);
}
