"""The chat: alert events of the store in, messages out; questions in, answers out.

It talks to Telegram, or without a token to the local Bot API of `bot/simulator`.
"""
