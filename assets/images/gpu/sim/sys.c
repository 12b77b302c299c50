#include "sys.h"

#include <asm/unistd.h>

enum { AT_FDCWD = -100, PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, LOCK_EX = 2, CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1 };

struct timespec {
	long sec, nsec;
};

#if defined(__x86_64__)
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "the simulated driver knows x86_64 and aarch64"
#endif

int sys_open(const char *path, int flags)
{
	return (int)call(__NR_openat, AT_FDCWD, (long)path, flags | SYS_CLOEXEC, 0, 0, 0);
}

void sys_close(int fd)
{
	call(__NR_close, fd, 0, 0, 0, 0, 0);
}

long sys_read(int fd, void *buf, size_t n)
{
	return call(__NR_read, fd, (long)buf, (long)n, 0, 0, 0);
}

long sys_write(int fd, const void *buf, size_t n)
{
	return call(__NR_write, fd, (long)buf, (long)n, 0, 0, 0);
}

void *sys_map(int fd, size_t n, int writable)
{
	long p = call(__NR_mmap, 0, (long)n, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

void sys_unmap(void *p, size_t n)
{
	call(__NR_munmap, (long)p, (long)n, 0, 0, 0, 0);
}

int sys_lock(int fd)
{
	return (int)call(__NR_flock, fd, LOCK_EX, 0, 0, 0, 0);
}

int sys_exists(const char *path)
{
	return call(__NR_faccessat, AT_FDCWD, (long)path, 0, 0, 0, 0) == 0;
}

int sys_mknod(const char *path, unsigned mode, unsigned major, unsigned minor)
{
	return (int)call(__NR_mknodat, AT_FDCWD, (long)path, mode, major << 8 | minor, 0, 0);
}

int sys_remove(const char *path)
{
	return (int)call(__NR_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

long sys_readlink(const char *path, char *buf, size_t n)
{
	return call(__NR_readlinkat, AT_FDCWD, (long)path, (long)buf, (long)n, 0, 0);
}

static unsigned long long now(int clock)
{
	struct timespec t = { 0, 0 };

	call(__NR_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
	return (unsigned long long)t.sec * 1000000000ULL + (unsigned long long)t.nsec;
}

unsigned long long sys_time(void)
{
	return now(CLOCK_REALTIME);
}

unsigned long long sys_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

void sys_sleep(unsigned long long ns)
{
	struct timespec t = { (long)(ns / 1000000000ULL), (long)(ns % 1000000000ULL) };

	call(__NR_nanosleep, (long)&t, 0, 0, 0, 0, 0);
}

void sys_yield(void)
{
	call(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
}

_Noreturn void sys_exit(int code)
{
	for (;;)
		call(__NR_exit_group, code, 0, 0, 0, 0, 0);
}

void *memcpy(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *t = to;

	while (n--)
		*t++ = (char)c;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *strstr(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (;; s++) {
		if (strncmp(s, part, n) == 0)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

static int lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

int str_equal_fold(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b))
		a++, b++;
	return lower(*a) == lower(*b);
}

struct out {
	char *buf;
	size_t n, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->n)
		o->buf[o->len] = c;
	o->len++;
}

int vformat(char *buf, size_t n, const char *fmt, va_list args)
{
	struct out o = { buf, n, 0 };

	for (; *fmt; fmt++) {
		char digits[24], pad = ' ';
		const char *s = digits;
		int left = 0, wide = 0, width = 0, upper = 0, negative = 0;
		unsigned long long v = 0;
		size_t len = 0;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		for (; *fmt == '-' || *fmt == '0'; fmt++)
			*fmt == '-' ? (left = 1) : (pad = '0');
		if (*fmt == '*') {
			width = va_arg(args, int);
			fmt++;
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l'; fmt++)
			wide = 1;
		switch (*fmt) {
		case 's':
			s = va_arg(args, const char *);
			len = strlen(s);
			break;
		case 'c':
			digits[len++] = (char)va_arg(args, int);
			break;
		case 'd':
			if (wide) {
				long long d = va_arg(args, long long);
				negative = d < 0;
				v = negative ? -(unsigned long long)d : (unsigned long long)d;
			} else {
				int d = va_arg(args, int);
				negative = d < 0;
				v = negative ? -(unsigned)d : (unsigned)d;
			}
			break;
		case 'X':
			upper = 1;
			/* fall through */
		case 'u':
		case 'x':
			v = wide ? va_arg(args, unsigned long long) : va_arg(args, unsigned);
			break;
		default:
			digits[len++] = *fmt;
		}
		if (*fmt == 'd' || *fmt == 'u' || *fmt == 'x' || *fmt == 'X') {
			unsigned base = *fmt == 'x' || *fmt == 'X' ? 16 : 10;
			char *end = digits + sizeof digits;

			s = end;
			do
				s--, *(char *)s = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
			while (v /= base);
			if (negative)
				s--, *(char *)s = '-';
			len = (size_t)(end - s);
		}
		for (int i = (int)len; !left && i < width; i++)
			put(&o, pad);
		for (size_t i = 0; i < len; i++)
			put(&o, s[i]);
		for (int i = (int)len; left && i < width; i++)
			put(&o, ' ');
	}
	if (n)
		buf[o.len < n ? o.len : n - 1] = 0;
	return (int)o.len;
}

int format(char *buf, size_t n, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vformat(buf, n, fmt, args);
	va_end(args);
	return len;
}
