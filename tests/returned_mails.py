"""Mail that comes back, as mail servers, mailbox providers and people write it (RFC 3464, RFC 5965, RFC 3834)."""

from __future__ import annotations

SHOP = "bonjour@maison-tilleul.example"
RETURN_PATH = "b@bounce.maison-tilleul.example"


def lines(text: str) -> bytes:
    """As it arrives: CRLF, without the blank line at the start."""
    return text.lstrip("\n").replace("\n", "\r\n").encode()


def our_headers(message_id: object, to: str = "anna@example.fr", name: str = "Message-ID") -> str:
    """The headers of a mail of ours, as reports send them back."""
    return (
        f"Date: Thu, 1 Oct 2026 06:00:00 +0000\nFrom: Maison Tilleul <{SHOP}>\nTo: Anna Exemple <{to}>\n"
        f"Subject: =?utf-8?b?Vm90cmUgdGjDqQ==?=\n{name}: <{message_id}@maison-tilleul.example>\nMIME-Version: 1.0"
    )


def report(
    status_part: str,
    sent_back: str | None,
    *,
    sender: str = "MAILER-DAEMON@mx.example.fr",
    to: str = SHOP,
    headers: str = "",
    kind: str = "text/rfc822-headers",
    words: str = "I'm sorry to have to inform you that your message could not be delivered.",
) -> bytes:
    """A delivery report of three parts, or of two where nothing is sent back."""
    third = f"--frontier\nContent-Type: {kind}\n\n{sent_back}\n\n" if sent_back is not None else ""
    return lines(f"""
Return-Path: <>
Delivered-To: {to}
From: Mail Delivery System <{sender}>
To: {to}
Subject: Undelivered Mail Returned to Sender
Date: Thu, 1 Oct 2026 07:30:00 +0000
Message-ID: <20261001073000.4F1@mx.example.fr>
Auto-Submitted: auto-replied
{headers}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="frontier"

This is a MIME-encapsulated message.

--frontier
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

{words}

--frontier
Content-Description: Delivery report
Content-Type: message/delivery-status

{status_part}

{third}--frontier--
""")


def postfix(message_id: object, status: str = "5.1.1", action: str = "failed", to: str = "anna@example.fr") -> bytes:
    return report(
        f"""Reporting-MTA: dns; mail.maison-tilleul.example
X-Postfix-Queue-ID: 4F1B2C
X-Postfix-Sender: rfc822; {SHOP}
Arrival-Date: Thu,  1 Oct 2026 08:00:01 +0200 (CEST)

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.fr
Diagnostic-Code: smtp; 550 {status} <{to}>: Recipient address rejected:
    User unknown in virtual mailbox table""",
        our_headers(message_id, to),
    )


def exim(message_id: object, quoted: str = "550 5.1.1 The email account does not exist") -> bytes:
    """Says 5.0.0 whatever happened; what did stands in the answer that it quotes."""
    return report(
        f"""Reporting-MTA: dns; mail.example.fr

Action: failed
Final-Recipient: rfc822;anna@example.fr
Status: 5.0.0
Remote-MTA: dns; mx.example.fr
Diagnostic-Code: smtp; {quoted}""",
        f"Return-path: <{SHOP}>\n{our_headers(message_id)}",
        headers="X-Failed-Recipients: anna@example.fr\n",
        kind="message/rfc822",
    )


def exchange(message_id: object) -> bytes:
    """Sends the mail back with a Message-ID of another's, but answers ours."""
    return report(
        """Reporting-MTA: dns;EX01.example.fr
Received-From-MTA: dns;EX02.example.fr
Arrival-Date: Thu, 1 Oct 2026 06:00:03 +0000

Final-Recipient: rfc822;anna@example.fr
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found
X-Display-Name: Anna Exemple""",
        our_headers("a-new-one"),
        sender="postmaster@example.fr",
        headers=f"In-Reply-To: <{message_id}@maison-tilleul.example>\n"
        f"References: <older@x.example>\n <{message_id}@maison-tilleul.example>\n",
        kind="message/rfc822",
    )


def gmail(message_id: object, status: str = "5.1.1") -> bytes:
    return report(
        f"""Reporting-MTA: dns; googlemail.com
Arrival-Date: Wed, 30 Sep 2026 23:00:02 -0700 (PDT)
X-Original-Message-ID: <{message_id}@maison-tilleul.example>

Final-Recipient: rfc822; anna@example.fr
Action: failed
Status: {status}
Remote-MTA: dns; gmail-smtp-in.l.google.com. (192.0.2.27, the server for the domain gmail.com.)
Diagnostic-Code: smtp; 550-{status} The email account that you tried to reach does not
 exist. 550 {status}  https://support.google.com/mail/?p=NoSuchUser
Last-Attempt-Date: Wed, 30 Sep 2026 23:00:03 -0700 (PDT)""",
        our_headers(message_id),
        sender="mailer-daemon@googlemail.com",
        kind="message/rfc822",
    )


def sendmail(message_id: object) -> bytes:
    """Two recipients: one mailbox behind the address is gone, the other is full."""
    return report(
        """Reporting-MTA: dns; mail.example.fr
Received-From-MTA: DNS; mail.maison-tilleul.example
Arrival-Date: Thu, 1 Oct 2026 08:00:00 +0200

Final-Recipient: RFC822; anna.old@example.fr
X-Actual-Recipient: RFC822; anna.old@mail.example.fr
Action: failed
Status: 5.1.1
Last-Attempt-Date: Thu, 1 Oct 2026 08:00:01 +0200

Final-Recipient: RFC822; anna.new@example.fr
Action: failed
Status: 5.2.2
Diagnostic-Code: SMTP; 552 5.2.2 Over quota
Last-Attempt-Date: Thu, 1 Oct 2026 08:00:01 +0200""",
        our_headers(message_id),
    )


def verp(message_id: object, status: str = "5.1.1") -> bytes:
    """Nothing of our mail is sent back and the recipient is called otherwise: only the return path tells."""
    local, _, domain = RETURN_PATH.partition("@")
    return report(
        f"""Reporting-MTA: dns; gw.example.fr

Final-Recipient: rfc822; u4711@internal.example.fr
Action: failed
Status: {status}""",
        None,
        to=f"{local}+{message_id}@{domain}",
    )


def complaint(message_id: object, kind: str = "abuse") -> bytes:
    return lines(f"""
From: <feedback@isp.example>
To: <{SHOP}>
Subject: FW: Votre =?utf-8?b?dGjDqQ==?=
Date: Thu, 1 Oct 2026 07:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1_13d"

--part1_13d
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report for an email message received from IP 192.0.2.1.

--part1_13d
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <anna@example.fr>
Reported-Domain: maison-tilleul.example

--part1_13d
Content-Type: message/rfc822
Content-Disposition: inline

{our_headers(message_id)}
Content-Type: text/plain

Bonjour
--part1_13d--
""")


def reply(
    text: str,
    message_id: object = None,
    *,
    subject: str = "Re: Votre thé préféré vous attend",
    headers: str = "",
    kind: str = 'text/plain; charset="utf-8"',
) -> bytes:
    answers = f"In-Reply-To: <{message_id}@maison-tilleul.example>\n" if message_id else ""
    return lines(f"""
Return-Path: <anna@example.fr>
From: Anna Exemple <anna@example.fr>
To: {SHOP}
Subject: {subject}
Date: Thu, 1 Oct 2026 07:45:00 +0000
Message-ID: <CAF1@mail.example.fr>
{answers}{headers}MIME-Version: 1.0
Content-Type: {kind}
Content-Transfer-Encoding: 8bit

{text}
""")


QUOTED = """

Le jeu. 1 oct. 2026 à 08:00, Maison Tilleul <bonjour@maison-tilleul.example> a écrit :
> Chère Anna,
> STOP
> Se désabonner : https://u.maison-tilleul.example/u/x"""

AWAY = reply("Je suis en congés. STOP", headers="Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\n")

QMAIL = lines("""
Return-Path: <>
From: MAILER-DAEMON@mail.example.fr
To: bonjour@maison-tilleul.example
Subject: failure notice

Hi. This is the qmail-send program at mail.example.fr.
<anna@example.fr>:
Sorry, no mailbox here by that name. (#5.1.1)
""")
"""A bounce in a form of its own."""
