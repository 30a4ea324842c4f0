// lookup.h - the address of a host name, asked for without waiting.
//
// A resolver may hang for many seconds. It then does so in a thread of its own, which nobody waits
// for: neither the loop, nor the end of the process.
#ifndef ACTOR_LOOKUP_H
#define ACTOR_LOOKUP_H

enum { LOOKUP_ADDRESS = 64 };

enum lookup_state { LOOKUP_PENDING, LOOKUP_FOUND, LOOKUP_UNKNOWN };

struct lookup;

// host: as in an endpoint, an IPv6 address in brackets. turn: of several addresses of the name,
// IPv4 first, the one with this index, counted round.
struct lookup *lookup_start(const char *host, int turn);

// What is known by now. FOUND: address (LOOKUP_ADDRESS bytes), as an endpoint has it. UNKNOWN: *why
// says so, static text.
enum lookup_state lookup_poll(const struct lookup *l, char *address, const char **why);

// Nobody asks any more. NULL is allowed.
void lookup_drop(struct lookup *l);

#endif
