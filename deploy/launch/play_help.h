// play_help.h - what `telos play --help` prints, for telos and for telos-play.
#ifndef LAUNCH_PLAY_HELP_H
#define LAUNCH_PLAY_HELP_H

extern const char play_help[];

#endif
