/* What a hostile program tries, one action a call; prints what the kernel answered. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "made");
}

/* clone3 with flags; the child ends at once. */
static long clone_three(unsigned long long flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

static long clone_one(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

/* A child stops for its parent, which looks at its registers. */
static long trace(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(errno);
		raise(SIGSTOP);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, WUNTRACED);
	if (WIFEXITED(status)) {
		errno = WEXITSTATUS(status);
		return -1;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 0;
}

static int calls(void)
{
	char attr[128] = { 0 };

	tell("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	tell("remount", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("umount", umount2("/proc/kcore", MNT_DETACH));
	tell("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
	tell("fsopen", syscall(SYS_fsopen, "proc", 0));
	tell("pivot_root", syscall(SYS_pivot_root, ".", "."));
	tell("unshare-user", unshare(CLONE_NEWUSER));
	tell("unshare-mount", unshare(CLONE_NEWNS));
	tell("unshare-net", unshare(CLONE_NEWNET));
	tell("clone-user", clone_one(CLONE_NEWUSER));
	tell("clone3-user", clone_three(CLONE_NEWUSER));
	tell("clone-plain", clone_one(0));
	tell("setns", setns(open("/proc/self/ns/uts", O_RDONLY), 0));
	tell("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
	tell("add_key", syscall(SYS_add_key, "user", "a", "b", 1, KEY_SPEC_PROCESS_KEYRING));
	tell("bpf", syscall(SYS_bpf, 0, attr, sizeof attr));
	tell("perf_event_open", syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
	tell("userfaultfd", syscall(SYS_userfaultfd, 0));
	tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, attr));
	tell("open_by_handle_at", syscall(SYS_open_by_handle_at, 0, attr, 0));
	tell("init_module", syscall(SYS_init_module, attr, 0, ""));
	tell("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
	tell("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
	tell("syslog", syscall(SYS_syslog, 10, 0, 0));
	tell("settimeofday", syscall(SYS_settimeofday, 0, 0));
	tell("swapon", syscall(SYS_swapon, "/none", 0));
	tell("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
	tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("ptrace", trace());
	tell("block-device", mknod("/tmp/block", S_IFBLK | 0600, makedev(8, 0)));
	tell("open-block-device", open("/tmp/block", O_RDONLY));
	tell("memory-device", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
	tell("open-memory-device", open("/tmp/mem", O_RDONLY));
	return 0;
}

/* Opens the file for writing, and once more through a descriptor that it has for reading. */
static int overwrite(const char *path)
{
	char again[64];
	int fd = open(path, O_WRONLY);

	tell("write", fd);
	tell("truncate", open(path, O_WRONLY | O_TRUNC));
	fd = open(path, O_RDONLY);
	tell("read", fd);
	snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
	tell("again", open(again, O_RDWR));
	tell("chmod", fchmod(fd, 0777));
	return 0;
}

/* Exchanges two names for as long as it lives. */
static int race(const char *one, const char *other)
{
	for (;;)
		if (syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2) < 0) {
			perror("renameat2");
			return 1;
		}
}

/* Standard streams: what each is, and whether it can be opened for writing again. */
static int streams(void)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat is;
		char path[32], target[256] = { 0 };
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof target - 1) < 0 || fstat(fd, &is) < 0)
			return 1;
		int again = open(path, O_WRONLY | O_NONBLOCK);
		printf("%d %s dev=%llu ino=%llu mode=%o %s\n", fd, target, (unsigned long long)is.st_dev,
		       (unsigned long long)is.st_ino, is.st_mode & S_IFMT, again < 0 ? strerrorname_np(errno) : "opened");
		if (again > 0)
			close(again);
	}
	return 0;
}

/* All descriptors that it was given, with what they are. */
static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char path[300], target[256] = { 0 };
		int fd = atoi(entry->d_name);
		if (entry->d_name[0] == '.' || fd == dirfd(folder))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof target - 1) >= 0)
			printf("%d %s\n", fd, fd > 2 ? target : "");
	}
	return 0;
}

int main(int count, char **words)
{
	const char *action = count > 1 ? words[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(action, "calls"))
		return calls();
	if (!strcmp(action, "overwrite") && count > 2)
		return overwrite(words[2]);
	if (!strcmp(action, "race") && count > 3)
		return race(words[2], words[3]);
	if (!strcmp(action, "streams"))
		return streams();
	if (!strcmp(action, "descriptors"))
		return descriptors();
	return 2;
}
