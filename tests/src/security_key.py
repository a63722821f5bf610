"""A security key in software: CTAPHID and CTAP2 on a pseudo-terminal, where a real one is on /dev/hidrawN.

No machine of the tests has a key or can pretend USB, so this stands at the outermost edge: fido2-tools open it, speak
to it and parse what it says as they do with hardware. One credential at a time, ES256, a PIN or a sensor of its own.

usage: security_key.py STATE-DIRECTORY {pin|sensor}

STATE-DIRECTORY/device: where it is, once it is there. STATE-DIRECTORY/touch: present while a finger lies on the key; without it a command waits.
STATE-DIRECTORY/waits: written where a command has waited for a finger.
STATE-DIRECTORY/synced: credentials say that they can be backed up.
STATE-DIRECTORY/careless: signs without having verified its user.
"""

import fcntl
import hashlib
import hmac
import os
import struct
import sys
import termios
import time
import tty

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fido2 import cbor

STATE, KIND = sys.argv[1:3]
PIN = b"pin-7Rk3vd"
BROADCAST = b"\xff\xff\xff\xff"
CHANNEL = b"\x00\x00\x00\x2a"
PING, MSG, INIT, CBOR, CANCEL, KEEPALIVE, ERROR = 0x81, 0x83, 0x86, 0x90, 0x91, 0xBB, 0xBF
UP, UV, BE, AT = 0x01, 0x04, 0x08, 0x40
PIN_INVALID, PIN_BLOCKED, PIN_AUTH_INVALID, PIN_NOT_SET, PIN_REQUIRED = 0x31, 0x32, 0x33, 0x35, 0x36
NO_CREDENTIALS, INVALID_COMMAND, UNSUPPORTED_OPTION = 0x2E, 0x01, 0x2B


class Refused(Exception):
    pass


class Key:
    def __init__(self):
        self.agreement = ec.generate_private_key(ec.SECP256R1())
        self.token = os.urandom(32)
        self.retries = 8
        self.counter = 0
        self.credentials = {}

    def info(self):
        options = {"rk": False, "up": True, "plat": False}
        if KIND == "pin":
            options["clientPin"] = True
        else:
            options["uv"] = True
        told = {1: ["FIDO_2_0"], 3: b"\x00" * 16, 4: options, 5: 1200}
        if KIND == "pin":
            told[6] = [1]
        return told

    def verified(self, request, digest, options, auth):
        """Whether the person proved themself: a PIN's token, or the sensor. Refuses what is wrong."""
        if KIND == "sensor":
            if auth is not None:
                raise Refused(PIN_NOT_SET)
            return bool(options.get("uv"))
        if options.get("uv"):
            raise Refused(UNSUPPORTED_OPTION)
        if auth is None:
            if request == "make":
                raise Refused(PIN_REQUIRED)
            return False
        if not hmac.compare_digest(hmac.new(self.token, digest, hashlib.sha256).digest()[:16], auth):
            raise Refused(PIN_AUTH_INVALID)
        return True

    def data(self, party, flags, more=b""):
        self.counter += 1
        return hashlib.sha256(party.encode()).digest() + struct.pack(">BI", flags, self.counter) + more

    def flags(self, verified):
        backup = BE if os.path.exists(f"{STATE}/synced") else 0
        careless = os.path.exists(f"{STATE}/careless")
        return UP | (UV if verified and not careless else 0) | backup

    def make(self, request):
        digest, party = request[1], request[2]["id"]
        verified = self.verified("make", digest, request.get(7, {}), request.get(8))
        touched()
        private = ec.generate_private_key(ec.SECP256R1())
        identity = os.urandom(48)
        self.credentials[identity] = (party, private)
        point = private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = b"\x00" * 16 + struct.pack(">H", len(identity)) + identity + cbor.encode(cose)
        data = self.data(party, self.flags(verified) | AT, attested)
        signature = private.sign(data + digest, ec.ECDSA(hashes.SHA256()))
        return {1: "packed", 2: data, 3: {"alg": -7, "sig": signature}}

    def assertion(self, request):
        party, digest = request[1], request[2]
        verified = self.verified("get", digest, request.get(5, {}), request.get(6))
        known = [one["id"] for one in request.get(3, [])]
        found = next((one for one in known if self.credentials.get(one, (None,))[0] == party), None)
        if found is None:
            raise Refused(NO_CREDENTIALS)
        if request.get(5, {}).get("up", True):
            touched()
        data = self.data(party, self.flags(verified))
        signature = self.credentials[found][1].sign(data + digest, ec.ECDSA(hashes.SHA256()))
        return {1: {"id": found, "type": "public-key"}, 2: data, 3: signature}

    def pin(self, request):
        what = request[2]
        if what == 1:
            return {3: self.retries}
        if what == 2:
            point = self.agreement.public_key().public_numbers()
            x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
            return {1: {1: 2, 3: -25, -1: 1, -2: x, -3: y}}
        if what != 5:
            raise Refused(INVALID_COMMAND)
        if self.retries == 0:
            raise Refused(PIN_BLOCKED)
        other = request[3]
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(other[-2], "big"), int.from_bytes(other[-3], "big"), ec.SECP256R1()
        )
        shared = hashlib.sha256(self.agreement.exchange(ec.ECDH(), numbers.public_key())).digest()
        cipher = Cipher(algorithms.AES(shared), modes.CBC(b"\x00" * 16))
        unseal, seal = cipher.decryptor(), cipher.encryptor()
        typed = unseal.update(request[6]) + unseal.finalize()
        if typed != hashlib.sha256(PIN).digest()[:16]:
            self.retries -= 1
            self.agreement = ec.generate_private_key(ec.SECP256R1())
            raise Refused(PIN_INVALID)
        self.retries = 8
        return {2: seal.update(self.token) + seal.finalize()}

    def answer(self, command, body):
        request = cbor.decode(body) if body else {}
        return {1: self.make, 2: self.assertion, 6: self.pin}[command](request) if command != 4 else self.info()


def touched():
    while not os.path.exists(f"{STATE}/touch"):
        open(f"{STATE}/waits", "w").close()
        send(CHANNEL, KEEPALIVE, b"\x02")
        time.sleep(0.1)


def send(channel, command, body):
    head, rest = body[:57], body[57:]
    os.write(wire, (channel + bytes([command]) + struct.pack(">H", len(body)) + head).ljust(64, b"\x00"))
    sequence = 0
    while rest:
        part, rest = rest[:59], rest[59:]
        os.write(wire, (channel + bytes([sequence]) + part).ljust(64, b"\x00"))
        sequence += 1


def report():
    # A report is 64 bytes behind the number of the report, as hidraw has it.
    read = b""
    while len(read) < 65:
        read += os.read(wire, 65 - len(read))
    return read[1:]


def message():
    first = report()
    channel, command, length = first[:4], first[4], struct.unpack(">H", first[5:7])[0]
    body = first[7:]
    while len(body) < length:
        body += report()[5:]
    return channel, command, body[:length]


wire, device = os.openpty()
tty.setraw(device)
# A device of the kernel's is nobody's terminal. This one is ours already, so that it becomes nobody else's by being opened.
if os.getsid(0) != os.getpid():
    os.setsid()
fcntl.ioctl(device, termios.TIOCSCTTY, 0)
with open(f"{STATE}/device", "w", encoding="ascii") as told:
    told.write(os.ttyname(device) + "\n")
key = Key()
while True:
    channel, command, body = message()
    if command == INIT:
        send(channel, INIT, body[:8] + CHANNEL + b"\x02\x01\x00\x00\x0c")
    elif command == CBOR:
        try:
            told = key.answer(body[0], body[1:])
            send(channel, CBOR, b"\x00" + (cbor.encode(told) if told else b""))
        except Refused as why:
            send(channel, CBOR, bytes([why.args[0]]))
        except KeyError:
            send(channel, CBOR, bytes([INVALID_COMMAND]))
    elif command not in (CANCEL, PING):
        send(channel, ERROR, b"\x01")
