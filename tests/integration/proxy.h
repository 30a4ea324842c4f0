// proxy.h - a TCP proxy between actors and learner that delays, stalls, resets and corrupts.
//
// It runs as a process of its own, a child of the test, and listens on 127.0.0.2: actors take the
// host of --connect for the weights, too, so both channels pass through it, while the learner has
// the same ports on 127.0.0.1.
//
// Every so many bytes of a channel something happens, drawn from a seed: what and how often does
// not depend on how fast the machine is.
#ifndef TESTS_INTEGRATION_PROXY_H
#define TESTS_INTEGRATION_PROXY_H

#include <stdint.h>

enum disturbance { PROXY_DELAY, PROXY_STALL, PROXY_RESET, PROXY_CORRUPT, PROXY_KINDS };

struct proxy;

// One channel: a port of 127.0.0.2, chosen by the system, that leads to a port of 127.0.0.1.
// Between two disturbances are 1 .. 2 mean_bytes bytes.
struct proxy *proxy_new(uint64_t seed, int mean_bytes);
int proxy_port(const struct proxy *p);  // of 127.0.0.2

// Ends it; its port is free.
void proxy_free(struct proxy *p);

// What passes is kept: what actors say in <path>.up, what they are told in <path>.down, all
// connections one after the other as it comes. Before proxy_start; path is borrowed.
void proxy_keep(struct proxy *p, const char *path);

// Starts to serve; target_port is the learner's.
void proxy_start(struct proxy *p, int target_port);

// How many of a kind there have been.
int proxy_count(const struct proxy *p, enum disturbance kind);

#endif
