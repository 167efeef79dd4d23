title = Invitation to connect
invites = { $name } invites you to connect
accept = Accept
ignore = Ignore
reply = Reply
reply-label = Reply without accepting
reply-wrong = A reply has 1 to { $count } characters, and no invisible ones that control or turn text.
inbox = See it in your inbox

ignored = Put aside. The sender does not learn of it.
replied = Your reply is on its way. The invitation is still open.
connections-full = You cannot be connected at present: one of you has as many connections as possible.
replies-full = There are as many replies to this invitation as possible.

connected = You are connected
connected-hint = You can close this page.

neutral = Nothing to do here
neutral-hint = This link does not lead to an open invitation. Your inbox shows the invitations that wait for you.

unavailable = Please try again
unavailable-hint = We cannot do this right now. Opening the link again in a minute will show where the invitation stands.
unavailable-reply = We cannot do this right now. Your reply is still here: send it again in a minute. It will not arrive twice.
