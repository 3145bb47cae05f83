/* SPDX-License-Identifier: MPL-2.0
 *
 * drover-hook: CRIU's action script. For a restore from a drover image directory it reports that
 * the tasks are restored and waits for the executor's word: exit 0 lets them run, exit 1 makes CRIU
 * kill them. Every other event and every other restore passes at once. Fails safe: a connection
 * that breaks is a no, and so are images that are gone. */
#include "base/str.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IMAGES_NAME "/drover-images"

int main(void)
{
	const char *action = getenv("CRTOOLS_SCRIPT_ACTION");
	const char *dir = getenv("CRTOOLS_IMAGE_DIR");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char real[PATH_MAX], word[3] = "";
	size_t len, name = strlen(IMAGES_NAME);
	pid_t criu = getppid();
	int fd;

	if (!str_eq(action, "post-restore") || !dir)
		return 0;
	/* Nobody lets the tasks go when CRIU has died: the executor sees it by our connection. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != criu)
		return 1;
	/* Images that were deleted meanwhile are those of a refused migration whose worker has
	 * died: the source may be running again. */
	if (!realpath(dir, real))
		return 1;
	len = strlen(real);
	if (len <= name || !str_eq(real + len - name, IMAGES_NAME))
		return 0;
	real[len - name] = '\0';
	if (!str_fmt(address.sun_path, sizeof(address.sun_path), "%s/hold.sock", real))
		return 1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, "armed", 5, MSG_NOSIGNAL) != 5)
		return 1;
	return recv(fd, word, 2, 0) == 2 && str_eq(word, "go") ? 0 : 1;
}
