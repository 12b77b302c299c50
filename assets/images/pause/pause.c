/*
 * pause holds a pod's namespaces open: it waits for the signal that ends the pod and buries processes whose parents
 * died before them. It uses no C library, so that one costs a pod some ten kilobytes of memory and so that the image
 * does not change with the build machine's library.
 */

enum { SIG_BLOCK = 0, SIGINT = 2, SIGTERM = 15, SIGCHLD = 17, WNOHANG = 1 };

#if defined(__x86_64__)
enum { NR_rt_sigprocmask = 14, NR_rt_sigtimedwait = 128, NR_wait4 = 61, NR_exit_group = 231 };

static long syscall4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { NR_rt_sigprocmask = 135, NR_rt_sigtimedwait = 137, NR_wait4 = 260, NR_exit_group = 94 };

static long syscall4(long nr, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "pause knows x86_64 and aarch64"
#endif

#define BIT(sig) (1UL << ((sig) - 1))

__attribute__((noreturn)) void _start(void)
{
	unsigned long set = BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGCHLD);

	/* Blocked signals stay pending even for process 1, which would otherwise not get them without a handler. */
	syscall4(NR_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof set);
	for (;;) {
		long sig = syscall4(NR_rt_sigtimedwait, (long)&set, 0, 0, sizeof set);

		if (sig == SIGINT || sig == SIGTERM)
			break;
		while (syscall4(NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
	}
	syscall4(NR_exit_group, 0, 0, 0, 0);
	__builtin_unreachable();
}
