"""Alert events to people and programs outside Telegram: e-mail, webhooks, 100+ services.

In: the outbox of the store, and the channels of FLEETPULSE_NOTIFY. Out: messages, and a row in
`deliveries` for each channel, which says how far it is. `fleetpulse notify` runs it.
"""
