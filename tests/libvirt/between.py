#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Stands between a client and libvirtd:  between.py SOCKET LIBVIRTD-SOCKET [PROCEDURE]
# With PROCEDURE, a number of libvirt's remote protocol, it ends with status 3 instead of passing on the first answer to that: libvirtd has done it, and nobody hears of it.
# A message is its length (with itself), program, version, procedure, type (1: an answer), serial, status, each of four bytes, and more: https://libvirt.org/kbase/internals/rpc.html
import os
import socket
import struct
import sys
import threading

ANSWER = 1


def read(source, n):
    data = b""
    while len(data) < n:
        part = source.recv(n - len(data))
        if not part:
            return None
        data += part
    return data


def pass_on(source, target, procedure):
    try:
        while (head := read(source, 28)) is not None:
            length, _, _, about, kind, _, _ = struct.unpack(">7I", head)
            if about == procedure and kind == ANSWER:
                os._exit(3)
            body = read(source, length - len(head))
            if body is None:
                break
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
    procedure = int(sys.argv[3]) if len(sys.argv) > 3 else None
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(libvirtd)
        threading.Thread(target=pass_on, args=(client, server, None), daemon=True).start()
        threading.Thread(target=pass_on, args=(server, client, procedure), daemon=True).start()


main()
