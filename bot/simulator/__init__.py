"""A Telegram of our own for one machine: a Bot API server and a chat page in the browser.

In: the calls that a bot makes to api.telegram.org, and what its owner types on the page. Out: the
answers, errors and updates that Telegram documents (https://core.telegram.org/bots/api). There is
one private chat, between "You" and the bot, and as many more as a test asks for; any well-formed
token is that bot's. `troubles.py` has it misbehave as the real one does at times.
"""

LOCAL_CHAT_ID = 1  # of the chat that has a page, and so of its user
LOCAL_BOT_ID = 2
LOCAL_BOT_USERNAME = "fleetpulse_local_bot"
LOCAL_TOKEN = "2:local"  # noqa: S105 - it opens nothing: the server listens on loopback only
