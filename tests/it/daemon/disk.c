/* A disk that refuses to be written, for one process: a test preloads this into the daemon. While the file that
   STORYCLIP_TEST_DISK names holds the number of an error, every write to a file in that file's folder fails with it, and
   so does opening one to write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The error that holds for this path; 0 if none does. */
static int refused(const char *path)
{
    const char *state = getenv("STORYCLIP_TEST_DISK");
    if (!state || strncmp(path, state, strrchr(state, '/') - state + 1) != 0)
        return 0;
    int file = syscall(SYS_openat, AT_FDCWD, state, O_RDONLY);
    if (file < 0)
        return 0;
    char number[8] = {0};
    ssize_t length = read(file, number, sizeof number - 1);
    close(file);
    return length > 0 ? atoi(number) : 0;
}

static int refused_at(int fd)
{
    int before = errno;
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        length = 0;
    path[length] = 0;
    int error = refused(path);
    errno = before;
    return error;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define UNLESS_REFUSED(fd, call)      \
    do {                              \
        int error = refused_at(fd);   \
        if (error) {                  \
            errno = error;            \
            return -1;                \
        }                             \
        return call;                  \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t count)
{
    UNLESS_REFUSED(fd, NEXT(write)(fd, bytes, count));
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    UNLESS_REFUSED(fd, NEXT(pwrite64)(fd, bytes, count, at));
}

int ftruncate64(int fd, off64_t length)
{
    UNLESS_REFUSED(fd, NEXT(ftruncate64)(fd, length));
}

#define OPENS(name)                                                                  \
    int name(const char *path, int flags, ...)                                       \
    {                                                                                \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        int error = (flags & O_ACCMODE) == O_RDONLY ? 0 : refused(path);             \
        if (error == EROFS) {                                                        \
            errno = error;                                                           \
            return -1;                                                               \
        }                                                                            \
        return NEXT(name)(path, flags, mode);                                        \
    }

OPENS(open)
OPENS(open64)
