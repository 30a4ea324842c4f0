// lookup.h - why a host cannot be reached by its name, for the line that says so.
#ifndef PROTO_LOOKUP_H
#define PROTO_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

// Looks the host of an endpoint up, for ms at most: an address, in brackets or not, or a name.
// False: out (n bytes) is what is wrong, "host a.b is not known (Name or service not known)".
bool lookup_host(char *out, size_t n, const char *host, int ms);

#endif
