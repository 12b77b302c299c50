/*
 * The little of a C library that the simulated driver needs. It has none, so that one file loads beside whatever C library
 * of whatever age a container brings.
 */
#ifndef SIM_SYS_H
#define SIM_SYS_H

#include <stdarg.h>
#include <stddef.h>

enum { SYS_READONLY = 0, SYS_READWRITE = 2, SYS_CLOEXEC = 02000000 };

int sys_open(const char *path, int flags);
void sys_close(int fd);
long sys_read(int fd, void *buf, size_t n);
long sys_write(int fd, const void *buf, size_t n);
void *sys_map(int fd, size_t n, int writable); /* NULL if it can't be */
void sys_unmap(void *p, size_t n);
int sys_lock(int fd); /* until the file is closed */
int sys_exists(const char *path);
int sys_mknod(const char *path, unsigned mode, unsigned major, unsigned minor);
int sys_remove(const char *path);
long sys_readlink(const char *path, char *buf, size_t n);
unsigned long long sys_time(void);      /* ns since 1970 */
unsigned long long sys_monotonic(void); /* ns */
void sys_sleep(unsigned long long ns);
void sys_yield(void);
_Noreturn void sys_exit(int code);

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strstr(const char *s, const char *part);
int str_equal_fold(const char *a, const char *b); /* letters of either case */

/*
 * format writes like snprintf. It knows %s %c %d %u %x %X %llu %%, a width (of * too), - and 0, and returns the length
 * that the whole text has.
 */
int format(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vformat(char *buf, size_t n, const char *fmt, va_list args);

#endif
