/* Preloaded into a process whose file-system calls are to fail: counts the calls that change a regular file or a
 * folder, and from a given one on kills the process, or lets the disk be full, or lets one call fail. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT, KILL, TEAR, FULL, FAIL };

static atomic_int armed;      /* an enum mode, plus one; 0: nothing is counted */
static atomic_long events;    /* so far */
static atomic_long bytes;     /* written so far */
static atomic_long at;        /* KILL, TEAR, FAIL: the event that is hit; FULL: bytes that are left */

void faults_arm(int mode, long where) {
  atomic_store(&events, 0);
  atomic_store(&bytes, 0);
  atomic_store(&at, where);
  atomic_store(&armed, mode + 1);
}

void faults_disarm(void) { atomic_store(&armed, 0); }

long faults_events(void) { return atomic_load(&events); }

long faults_bytes(void) { return atomic_load(&bytes); }

#define NEXT(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Whether a call that makes, moves or removes a file is to fail; errno says why. */
static int refused(int takes_room) {
  int mode = atomic_load(&armed) - 1;
  if (mode < 0) return 0;
  long event = atomic_fetch_add(&events, 1);
  if ((mode == KILL || mode == TEAR) && event == atomic_load(&at)) die();
  if (mode == FULL && takes_room && atomic_load(&at) <= 0) { errno = ENOSPC; return 1; }
  if (mode == FAIL && event == atomic_load(&at)) { errno = EIO; return 1; }
  return 0;
}

static int regular(int fd) {
  struct stat about;
  return atomic_load(&armed) && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/* How much of a write goes through: -1 none, errno says why. */
static ssize_t granted(int fd, size_t size) {
  if (!regular(fd)) return size;
  int mode = atomic_load(&armed) - 1;
  atomic_fetch_add(&bytes, (long)size);
  if (mode == FULL) {
    atomic_fetch_add(&events, 1);
    long left = atomic_fetch_sub(&at, (long)size);
    if (left <= 0) { errno = ENOSPC; return -1; }
    return left < (long)size ? (size_t)left : size;
  }
  if (mode == TEAR && size > 1 && atomic_load(&events) == atomic_load(&at)) return size / 2;
  return refused(1) ? -1 : (ssize_t)size;
}

/* After half of a write that is to be torn. */
static void tear(int fd, ssize_t wanted, ssize_t grant) {
  if (grant < wanted && atomic_load(&armed) - 1 == TEAR && regular(fd)) die();
}

ssize_t write(int fd, const void *from, size_t size) {
  NEXT(write);
  ssize_t grant = granted(fd, size);
  if (grant < 0) return -1;
  ssize_t done = real(fd, from, grant);
  tear(fd, size, grant);
  return done;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t where) {
  NEXT(pwrite64);
  ssize_t grant = granted(fd, size);
  if (grant < 0) return -1;
  ssize_t done = real(fd, from, grant, where);
  tear(fd, size, grant);
  return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  NEXT(writev);
  size_t size = 0;
  for (int i = 0; i < count; i++) size += parts[i].iov_len;
  if (!regular(fd)) return real(fd, parts, count);
  return count ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0; /* a caller must bear a short write */
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    va_list rest; va_start(rest, flags); mode_t bits = va_arg(rest, mode_t); va_end(rest); \
    if ((flags & (O_CREAT | O_TRUNC)) && refused(1)) return -1; \
    return real(path, flags, bits); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    NEXT(name); \
    va_list rest; va_start(rest, flags); mode_t bits = va_arg(rest, mode_t); va_end(rest); \
    if ((flags & (O_CREAT | O_TRUNC)) && refused(1)) return -1; \
    return real(folder, path, flags, bits); \
  }
OPENAT(openat)
OPENAT(openat64)

int rename(const char *from, const char *to) { NEXT(rename); return refused(1) ? -1 : real(from, to); }
int link(const char *from, const char *to) { NEXT(link); return refused(1) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
  NEXT(linkat);
  return refused(1) ? -1 : real(a, from, b, to, flags);
}
int mkdir(const char *path, mode_t bits) { NEXT(mkdir); return refused(1) ? -1 : real(path, bits); }
int unlink(const char *path) { NEXT(unlink); return refused(0) ? -1 : real(path); }
int unlinkat(int folder, const char *path, int flags) { NEXT(unlinkat); return refused(0) ? -1 : real(folder, path, flags); }
int rmdir(const char *path) { NEXT(rmdir); return refused(0) ? -1 : real(path); }
int fsync(int fd) { NEXT(fsync); return regular(fd) && refused(0) ? -1 : real(fd); }
int fdatasync(int fd) { NEXT(fdatasync); return regular(fd) && refused(0) ? -1 : real(fd); }
int ftruncate64(int fd, off64_t size) { NEXT(ftruncate64); return regular(fd) && refused(0) ? -1 : real(fd, size); }
