"""Purchases credited to messages: what a shop calls its responses. Not the effect: for that see `responses`.

The rules, in their order (`RULES_VERSION`):

1. A purchase is an order (customer, order number) with money paid for goods. It is credited once, to one message at
   most.
2. Made with a message's offer code, it is that message's, whoever used the code, until the code's last day or the end
   of the response window, whichever is later. Of several codes the message that left last counts.
3. Else it is the buyer's last message that had left before it, and in whose campaign's response window it lies, unless
   provider, post or desk said that this message reached nobody.
4. What was brought back is taken from the purchase: a negative line under its own number, or of the same product by
   the same customer at or after it, from the latest such purchase first, never more than was paid for that product.

`credit` is a book of changes. What should stand there is computed from a snapshot and the ledger; only the difference
to what does stand there is written, with the snapshot that told it:

    orders 1    a purchase is credited (sold_cents, returned_cents: as it is known now)
    orders 0    its amounts have changed: a late return has returned_cents above 0
    orders -1   it is taken back whole: no longer in the shop's data, or another message's by a code that came late

So no row is ever changed, each sum is right: `sum(orders)` is the purchases credited, `sum(sold_cents) -
sum(returned_cents)` what they brought, `where known_at <= …` (or `snapshot_id <= …`) the same as it was known then. The
order in which snapshots, events and answers come makes no difference to the sums, and to gather again changes nothing.
"""

from __future__ import annotations

RULES_VERSION = "1"
