/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel asks of the file system. */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "simfs.h"

#define ATTRIBUTE_SIZE 4096 /* what sysfs shows as the size of any attribute, and the longest write */

/* What was read at offset 0, so that a reader in pieces gets the pieces of one text. */
struct open_file {
        char *text;
        size_t length;
};

/* libfuse keeps a file's handle in an integer. */
static struct open_file *open_file_of(const struct fuse_file_info *info) {
        uintptr_t handle = (uintptr_t) info->fh;
        struct open_file *file;

        memcpy(&file, &handle, sizeof(file));
        return file;
}

static struct simfs *filesystem(void) {
        return fuse_get_context()->private_data;
}

static int simfs_getattr(const char *path, struct stat *st, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        (void) info;
        SIMFS_LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        st->st_uid = getuid();
        st->st_gid = getgid();
        switch (node.kind) {
        case NODE_ATTRIBUTE:
                st->st_mode = S_IFREG | simfs_attribute_mode(fs, node.attribute);
                st->st_nlink = 1;
                st->st_size = ATTRIBUTE_SIZE;
                break;
        case NODE_LINK:
                st->st_mode = S_IFLNK | 0777;
                st->st_nlink = 1;
                st->st_size = (off_t) strlen(node.target);
                break;
        default:
                st->st_mode = S_IFDIR | 0755;
                st->st_nlink = 2 + simfs_n_subdirectories(fs, &node);
        }
        return 0;
}

static int simfs_readlink(const char *path, char *ret, size_t size) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        SIMFS_LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_LINK)
                return -EINVAL;
        snprintf(ret, size, "%s", node.target);
        return 0;
}

struct filler {
        fuse_fill_dir_t fill;
        void *buffer;
};

static bool add_entry(void *userdata, const char *name) {
        const struct filler *filler = userdata;

        return filler->fill(filler->buffer, name, NULL, 0, 0) == 0;
}

static int simfs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info, enum fuse_readdir_flags flags) {
        struct simfs *fs = filesystem();
        struct filler filler = {.fill = fill, .buffer = buffer};
        struct simfs_node node;

        (void) offset;
        (void) info;
        (void) flags;
        SIMFS_LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_DIRECTORY && node.kind != NODE_POWER)
                return -ENOTDIR;
        simfs_list(fs, &node, add_entry, &filler);
        return 0;
}

static int simfs_open(const char *path, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        SIMFS_LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_ATTRIBUTE)
                return -EISDIR;
        /* as kernfs: even root cannot read what cannot be read */
        mode_t mode = simfs_attribute_mode(fs, node.attribute);
        int access = info->flags & O_ACCMODE;
        if ((access != O_WRONLY && !(mode & 0444)) || (access != O_RDONLY && !(mode & 0222)))
                return -EACCES;
        struct open_file *file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;
        info->fh = (uint64_t) (uintptr_t) file;
        info->direct_io = 1;
        return 0;
}

static int simfs_release(const char *path, struct fuse_file_info *info) {
        struct open_file *file = open_file_of(info);

        (void) path;
        free(file->text);
        free(file);
        return 0;
}

/* Finds what an open file belongs to. The directory may have gone since: then -ENODEV, as the kernel says. */
static int find_attribute(const struct simfs *fs, const char *path, struct simfs_node *ret) {
        return simfs_resolve(fs, path, ret) < 0 || ret->kind != NODE_ATTRIBUTE ? -ENODEV : 0;
}

static int refill(struct simfs *fs, const struct simfs_node *node, struct open_file *file) {
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        int r;

        if (!stream)
                return -ENOMEM;
        r = simfs_show(fs, &node->object, node->attribute, stream);
        if (fclose(stream) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        free(file->text);
        file->text = TAKE_PTR(text);
        file->length = length;
        return 0;
}

static int simfs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct open_file *file = open_file_of(info);
        struct simfs_node node;

        SIMFS_LOCK(fs);
        if (offset == 0) {
                int r = find_attribute(fs, path, &node);
                if (r >= 0)
                        r = refill(fs, &node, file);
                if (r < 0)
                        return r;
        }
        if (offset < 0 || (size_t) offset >= file->length)
                return 0;
        if (size > file->length - (size_t) offset)
                size = file->length - (size_t) offset;
        memcpy(buffer, file->text + offset, size);
        return (int) size;
}

static int simfs_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;
        char value[ATTRIBUTE_SIZE];
        size_t length = size;
        int r;

        (void) offset; /* each write is a value of its own */
        (void) info;
        if (size >= sizeof(value))
                return -EINVAL;
        if (length > 0 && buffer[length - 1] == '\n')
                length--;
        if (memchr(buffer, '\0', length))
                return -EINVAL;
        memcpy(value, buffer, length);
        value[length] = '\0';
        SIMFS_LOCK(fs);
        r = find_attribute(fs, path, &node);
        if (r >= 0)
                r = simfs_fault(fs, path);
        if (r >= 0)
                r = simfs_store(fs, &node.object, node.attribute, value);
        return r < 0 ? r : (int) size;
}

/* "echo 1 > file" truncates first; attributes do not mind. */
static int simfs_truncate(const char *path, off_t size, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        (void) size;
        (void) info;
        SIMFS_LOCK(fs);
        return simfs_resolve(fs, path, &node);
}

/* A command for the simulator: setfattr -n user.iocore.control -v "vanish d.4" MOUNTPOINT. Done when the call returns. */
static int simfs_setxattr(const char *path, const char *name, const char *value, size_t size, int flags) {
        struct simfs *fs = filesystem();
        char line[1024];

        (void) flags;
        if (strcmp(path, "/") != 0 || strcmp(name, SIMFS_CONTROL_XATTR) != 0)
                return -EOPNOTSUPP;
        if (size >= sizeof(line))
                return -E2BIG;
        memcpy(line, value, size);
        line[size] = '\0';
        SIMFS_LOCK(fs);
        return simfs_command(fs, line);
}

static void *simfs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
        (void) connection;
        /* nothing may be remembered: objects come and go without telling anybody */
        config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
        config->direct_io = 1;
        printf("ready\n");
        fflush(stdout);
        return fuse_get_context()->private_data;
}

const struct fuse_operations simfs_operations = {
        .init = simfs_init,
        .getattr = simfs_getattr,
        .readlink = simfs_readlink,
        .readdir = simfs_readdir,
        .open = simfs_open,
        .release = simfs_release,
        .read = simfs_read,
        .write = simfs_write,
        .truncate = simfs_truncate,
        .setxattr = simfs_setxattr,
};
