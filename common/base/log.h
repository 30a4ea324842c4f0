// log.h - one line per event, on standard error and in the run's log file.
//
//   I learner: listening on tcp://127.0.0.1:5555
//
// Levels: E (the thing failed), W (it goes on, but look), I (life cycle), D (off by default).
// Thread-safe; a line is one write(), so that lines of several threads and processes do not mix.
// A library, whose process is another's, takes the lines itself: log_set_sink.
// Level, file and sink are the only mutable globals besides metrics.
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

// Lines above this level are dropped; default LOG_INFO.
void log_set_level(enum log_level level);

// Also append lines, with a UTC time in front, to this descriptor; -1 stops. Borrowed.
void log_set_file(int fd);

// Who speaks: the word before the colon ("learner", "actor 3"). Copied, at most 31 bytes.
void log_set_name(const char *name);

// Lines go to sink, and not to standard error: the text alone, without level, name and newline. It
// is called on the thread that speaks, and must not speak itself. NULL: standard error again.
void log_set_sink(void (*sink)(enum log_level level, const char *text));

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
