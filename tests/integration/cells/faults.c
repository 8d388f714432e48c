/* Preloaded: lets the nth file operation below a folder fail. Built by test_faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static int armed, at, lasting, code, seen;
static char struck[64];

/* From now on operation `n` (from 1; 0 for none) fails with `error`, and with `stay` all after it. */
void faults_arm(const char *folder, int n, int error, int stay) {
    snprintf(root, sizeof root, "%s", folder);
    at = n; code = error; lasting = stay; seen = 0; struck[0] = 0; armed = 1;
}
void faults_disarm(void) { armed = 0; }
int faults_seen(void) { return seen; }
const char *faults_struck(void) { return struck; }

static int below(const char *path) { return path && strncmp(path, root, strlen(root)) == 0; }
static int of(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}
static int hit(const char *name) {
    seen++;
    if (!at || (lasting ? seen < at : seen != at)) return 0;
    if (!struck[0]) snprintf(struck, sizeof struck, "%s", name);
    errno = code;
    return 1;
}
#define FAILS(test, name) (armed && (test) && hit(name))
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define ON_FD(type, name, params, ...) \
    type name params { REAL(name); if (FAILS(of(fd), #name)) return (type)-1; return real(__VA_ARGS__); }
#define ON_PATH(name, params, ...) \
    int name params { REAL(name); if (FAILS(below(path), #name)) return -1; return real(__VA_ARGS__); }
#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if (FAILS(below(path), #name)) return -1; return real(path, flags, mode); }

OPENS(open)
OPENS(open64)
ON_FD(ssize_t, write, (int fd, const void *b, size_t n), fd, b, n)
ON_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n)
ON_FD(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), fd, b, n, o)
ON_FD(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), fd, b, n, o)
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), fd, v, n, o)
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), fd, v, n, o)
ON_FD(ssize_t, pread, (int fd, void *b, size_t n, off_t o), fd, b, n, o)
ON_FD(ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), fd, b, n, o)
ON_FD(ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t o), fd, v, n, o)
ON_FD(ssize_t, preadv64, (int fd, const struct iovec *v, int n, off64_t o), fd, v, n, o)
ON_FD(int, fsync, (int fd), fd)
ON_FD(int, fdatasync, (int fd), fd)
ON_FD(int, ftruncate, (int fd, off_t n), fd, n)
ON_FD(int, ftruncate64, (int fd, off64_t n), fd, n)
ON_FD(void *, mmap, (void *a, size_t n, int p, int f, int fd, off_t o), a, n, p, f, fd, o)
ON_FD(void *, mmap64, (void *a, size_t n, int p, int f, int fd, off64_t o), a, n, p, f, fd, o)
ON_PATH(mkdir, (const char *path, mode_t mode), path, mode)
ON_PATH(unlink, (const char *path), path)
ON_PATH(rename, (const char *path, const char *to), path, to)
