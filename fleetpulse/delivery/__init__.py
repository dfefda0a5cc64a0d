"""Alert events into messages: what is said, when, and whether it arrived.

In: the outbox of the store, and a sender for one kind of target (Telegram, e-mail, …). Out:
messages, and a row in `deliveries` for each, which says how far it is. The processes `bot` and
`fleetpulse.actions` bring the sender.
"""
