"""A mail server on loopback for the tests: aiosmtpd, told by its arguments how to behave.

usage: smtpd.py implicit|starttls|plain CERTIFICATE KEY
Prints `port NUMBER`, then one JSON object a mail that it took.
What an address begins with decides what becomes of mail to it: busy@ 450, gone@ 550, full@ 452, spam@ 554, drop@ takes the
first mail and drops the connection instead of answering.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

dropped = set()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        start = address.split("@")[0]
        if start == "busy":
            return "450 4.2.1 busy"
        if start == "gone":
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        start = envelope.rcpt_tos[0].split("@")[0]
        if start == "full":
            return "452 4.3.1 full"
        if start == "spam":
            return "554 5.7.1 no"
        login = session.auth_data.decode() if session.auth_data else None
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": login,
            "tls": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "data": envelope.content.decode("utf-8", "replace"),
        }), flush=True)
        if start == "drop" and start not in dropped:
            dropped.add(start)
            server.transport.abort()
            return "250 never read"
        return "250 taken"


def authenticator(server, session, envelope, mechanism, data):
    user, password = data.login.decode(), data.password.decode()
    if (user, password) == ("user", "CANARY-smtp-password"):
        return AuthResult(success=True, auth_data=data.login)
    # A server that repeats what it was told.
    return AuthResult(success=False, handled=False, message="535 5.7.8 not " + password)


async def main():
    mode, certificate, key = sys.argv[1:4]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def protocol():
        return SMTP(
            Handler(),
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticator,
            auth_required=mode != "plain",
            auth_require_tls=mode == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "implicit" else None)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    # Ends with the test that started it, when its standard input ends.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
