/* Between daemon.c (a daemon's life) and daemon_crash.c (its sudden end). */
#pragma once

/* SIGPIPE is ignored; ASSERT and the fatal signals say what this thread was doing, then abort. */
void daemon_install_crash_hooks(const char *daemon_name);
