#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client that may misbehave: speaks the wire protocol itself, so that it can send what no library would.

raw-client.py SOCKET WHAT [N]
  huge N        calls with a string of N bytes; prints the errors' names, "dropped" when the bus ends the connection
  utf8          a call with a string that is not UTF-8; prints "dropped" when the bus ends the connection
  flood N       N calls of GetState, a hundred at a time; prints how many were answered
  asked N       N calls of WhyNot, a hundred at a time; prints what they were answered: "answer" or the error's name, a line each
  noreply N     N calls of GetState that want no answer, and one that does
  managed N     N calls of GetManagedObjects, a hundred at a time
  subscribe N   N match rules, then asks for the version; prints how many rules the bus granted
  vanish N      N connections that call and end without reading; prints N
  types         calls with arguments of the wrong types; prints the errors' names
"""
import os
import socket
import struct
import sys

NAME, PATH, MANAGER = "org.iocore1", "/org/iocore1", "org.iocore1.Manager"
METHOD_CALL, METHOD_RETURN, ERROR = 1, 2, 3
NO_REPLY_EXPECTED = 1


def align(data, n):
    return data + b"\0" * (-len(data) % n)


def string(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def signature(value):
    return struct.pack("B", len(value)) + value.encode() + b"\0"


def body(types, values):
    """Marshals basic types only, and "as" when it is the only argument."""
    if types == "as":
        items = b""
        for value in values[0]:
            items = align(items, 4) + string(value)
        return struct.pack("<I", len(items)) + items
    data = b""
    for kind, value in zip(types, values):
        if kind == "s":
            data = align(data, 4) + string(value)
        elif kind == "t":
            data = align(data, 8) + struct.pack("<Q", value)
        else:
            data = align(data, 4) + struct.pack({"i": "<i", "u": "<I", "b": "<I"}[kind], value)
    return data


class Client:
    def __init__(self, path):
        self.serial = 0
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        uid = str(os.getuid()).encode().hex()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK"), "the bus does not let us in"
        self.socket.sendall(b"BEGIN\r\n")
        assert self.answer(self.call("Hello", destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus"))[0] == METHOD_RETURN

    def call(self, member, types="", values=(), destination=NAME, path=PATH, interface=MANAGER, flags=0):
        self.serial += 1
        fields = b""
        for code, kind, value in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination)):
            fields = align(fields, 8) + struct.pack("B", code) + signature(kind)
            fields = align(fields, 4) + string(value)
        if types:
            fields = align(fields, 8) + struct.pack("B", 8) + signature("g") + signature(types)
        data = body(types, values)
        header = struct.pack("<BBBBII", ord("l"), METHOD_CALL, flags, 1, len(data), self.serial) + struct.pack("<I", len(fields)) + fields
        self.socket.sendall(align(header, 8) + data)
        return self.serial

    def message(self):
        """The next message as (type, reply serial, error name)."""
        def need(n):
            while len(self.buffer) < n:
                got = self.socket.recv(1 << 20)
                if not got:
                    raise ConnectionError("the bus ended the connection")
                self.buffer += got
        need(16)
        kind = self.buffer[1]
        body_length, _, fields_length = struct.unpack_from("<III", self.buffer, 4)
        start = 16 + fields_length + (-fields_length % 8)
        need(start + body_length)
        fields, self.buffer = self.buffer[16:16 + fields_length], self.buffer[start + body_length:]
        reply, error, at = 0, "", 0
        while at < len(fields):
            at += -at % 8
            code, length = fields[at], fields[at + 1]
            value = chr(fields[at + 2])
            at += 2 + length + 1
            if value == "u":
                at += -at % 4
                number, = struct.unpack_from("<I", fields, at)
                at += 4
                if code == 5:
                    reply = number
            elif value == "g":
                at += fields[at] + 2
            else:
                at += -at % 4
                size, = struct.unpack_from("<I", fields, at)
                if code == 4:
                    error = fields[at + 4:at + 4 + size].decode()
                at += 4 + size + 1
        return kind, reply, error

    def answer(self, serial):
        while True:
            got = self.message()
            if got[1] == serial:
                return got


def huge(path, n):
    for member, types_, values in (("Move", "sis", ("d" * n, 0, "r")), ("Grow", "iis", (-1, -1, "r" * n))):
        try:
            client = Client(path)
            print(client.answer(client.call(member, types_, values))[2])
        except ConnectionError:
            print("dropped")


def utf8(path, _):
    client = Client(path)
    try:
        print(client.answer(client.call("Move", "sis", (b"d.\xff\xfe", 0, "r")))[2])
    except ConnectionError:
        print("dropped")


def flood(path, n, **what):
    """The bus lets a connection have 128 calls under way: 100 are, all the time."""
    client = Client(path)
    arguments = what or {"member": "GetState", "types": "as", "values": (["nodes"],)}
    sent = answered = 0
    while answered < n:
        while sent < n and sent - answered < 100:
            client.call(**arguments)
            sent += 1
        answered += client.message()[0] == METHOD_RETURN
    print(answered)


def asked(path, n):
    client = Client(path)
    sent = answered = 0
    while answered < n:
        while sent < n and sent - answered < 100:
            client.call("WhyNot", "ssiis", ("place", "vm1", -1, -1, "0@0"))
            sent += 1
        kind, _, error = client.message()
        if kind in (METHOD_RETURN, ERROR):
            answered += 1
            print(error or "answer")


def noreply(path, n):
    client = Client(path)
    for _ in range(n):
        client.call("GetState", "as", (["queues"],), flags=NO_REPLY_EXPECTED)
    assert client.answer(client.call("GetState", "as", (["nodes"],)))[0] == METHOD_RETURN
    print(n)


def managed(path, n):
    flood(path, n, member="GetManagedObjects", interface="org.freedesktop.DBus.ObjectManager")


def subscribe(path, n):
    client = Client(path)
    granted = 0
    for i in range(n):
        rule = f"type='signal',sender='{NAME}',interface='{MANAGER}',arg0='{i}'"
        granted += client.answer(client.call("AddMatch", "s", (rule,), destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                                             interface="org.freedesktop.DBus"))[0] == METHOD_RETURN
    assert client.answer(client.call("GetState", "as", (["nodes"],)))[0] == METHOD_RETURN
    print(granted)


def vanish(path, n):
    for i in range(n):
        client = Client(path)
        client.call("GetState", "as", (["queues"],), flags=NO_REPLY_EXPECTED if i % 2 else 0)
        client.socket.close()
    print(n)


def types(path, _):
    client = Client(path)
    for types_, values in (("", ()), ("s", ("x",)), ("iiss", (0, 0, "", "")), ("sss", ("a", "b", "c"))):
        print(client.answer(client.call("Grow", types_, values))[2])


def main():
    path, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1
    {f.__name__: f for f in (huge, utf8, flood, asked, noreply, managed, subscribe, vanish, types)}[what](path, n)


main()
