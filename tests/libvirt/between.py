#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Stands between a client and libvirtd:  between.py SOCKET LIBVIRTD-SOCKET [PROCEDURE [N]]
# With PROCEDURE, a number of libvirt's remote protocol, it ends with status 3 instead of passing on the first answer to that: libvirtd has done it, and nobody hears of it.
# With N, too, it loses the Nth question of that instead, and goes on with all else: libvirtd does not hear of it, and nobody answers. SOCKET.lost is there then.
# A message is its length (with itself), program, version, procedure, type (0: a question, 1: an answer), serial, status, each of four bytes, and more:
# https://libvirt.org/kbase/internals/rpc.html
import os
import socket
import struct
import sys
import threading

REMOTE = 0x20008086
QUESTION, ANSWER = 0, 1


def read(source, n):
    data = b""
    while len(data) < n:
        part = source.recv(n - len(data))
        if not part:
            return None
        data += part
    return data


def pass_on(source, target, is_lost):
    try:
        while (head := read(source, 28)) is not None:
            length, program, _, procedure, kind, _, _ = struct.unpack(">7I", head)
            body = read(source, length - len(head))
            if body is None:
                break
            if program != REMOTE or not is_lost(procedure, kind):
                target.sendall(head + body)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    path, libvirtd = sys.argv[1:3]
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else None
    nth = int(sys.argv[4]) if len(sys.argv) > 4 else None
    n_asked, lock = 0, threading.Lock()

    def is_lost(procedure, kind):
        nonlocal n_asked
        if procedure != wanted or kind != (ANSWER if nth is None else QUESTION):
            return False
        if nth is None:
            os._exit(3)
        with lock:
            n_asked += 1
            lost = n_asked == nth
        if lost:
            open(path + ".lost", "w").close()
        return lost

    for old in (path, path + ".lost"):
        if os.path.exists(old):
            os.unlink(old)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(libvirtd)
        except OSError:  # it is being started again
            client.close()
            continue
        threading.Thread(target=pass_on, args=(client, server, is_lost), daemon=True).start()
        threading.Thread(target=pass_on, args=(server, client, is_lost), daemon=True).start()


main()
