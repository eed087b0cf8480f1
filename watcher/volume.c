/* FS_IOC_GETFSUUID asks every file system, but only since Linux 6.9; before that each has a way of its own.
 * f_fsid of statfs(2) is no substitute: xfs makes it of the device number. */
#include "watcher/volume.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(VOLUME_BYTES == BTRFS_FSID_SIZE, "all speak of UUIDs");

/* As the kernel's <linux/fs.h> since 6.9, fs/ext4/ext4.h since 6.0 and xfs_fs.h have them. */
struct any_uuid {
	uint8_t len;
	uint8_t uuid[VOLUME_BYTES];
};
struct ext4_uuid {
	uint32_t len, flags;
	uint8_t uuid[VOLUME_BYTES];
};
struct xfs_geometry {
	uint32_t sizes[8];
	uint64_t counts[4];
	uint8_t uuid[VOLUME_BYTES];
	uint32_t more[7];
};
#define ANY_UUID     _IOR(0x15, 0, struct any_uuid)
#define EXT4_UUID    _IOR('f', 44, uint32_t[2]) /* its size is that of the header alone */
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)

static int take(uint8_t out[VOLUME_BYTES], const uint8_t *uuid)
{
	static const uint8_t none[VOLUME_BYTES];

	if (memcmp(uuid, none, VOLUME_BYTES) == 0)
		return -EOPNOTSUPP;
	memcpy(out, uuid, VOLUME_BYTES);
	return 0;
}

int volume_of_fd(int fd, uint8_t uuid[VOLUME_BYTES])
{
	struct ext4_uuid ext4 = {.len = VOLUME_BYTES};
	struct btrfs_ioctl_fs_info_args btrfs;
	struct xfs_geometry xfs;
	struct any_uuid any;

	if (ioctl(fd, ANY_UUID, &any) == 0 && any.len == VOLUME_BYTES)
		return take(uuid, any.uuid);
	if (ioctl(fd, EXT4_UUID, &ext4) == 0 && ext4.len == VOLUME_BYTES)
		return take(uuid, ext4.uuid);
	memset(&btrfs, 0, sizeof(btrfs));
	if (ioctl(fd, BTRFS_IOC_FS_INFO, &btrfs) == 0)
		return take(uuid, btrfs.fsid);
	if (ioctl(fd, XFS_GEOMETRY, &xfs) == 0)
		return take(uuid, xfs.uuid);
	return -EOPNOTSUPP;
}
