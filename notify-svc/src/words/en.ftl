# How a member is named in a sentence.
called = { $name }
# Stands for a name that would make a subject an advertisement.
someone = A member

greeting = Hello { $name },
note-follows = Their message:
accept = Accept the invitation
accept-hint = The link opens a page with the invitation. Nothing happens until you choose there.
profile = View their profile
inbox = View it in your inbox
settings = Choose which emails you get

invites = { $name } invites you to connect
invites-lead = { $name } would like to add you to their connections.
because-invited = You are receiving this email because a member invited you.
reminders-planned =
    { $count ->
        [0] No reminders will follow.
        [one] At most one reminder will follow.
       *[other] At most { $count } reminders will follow.
    }
stop-invitations = Stop emails about invitations

waits = { $name }’s invitation is still waiting for you
waits-lead = { $name } sent you an invitation that you have not answered yet.
reminders-follow =
    { $count ->
        [0] No more reminders will follow.
        [one] At most one more reminder will follow.
       *[other] At most { $count } more reminders will follow.
    }
stop-reminders = Stop reminders

# Two or more.
digest = { $count } invitations are still waiting for you
digest-lead = These members sent you invitations that you have not answered yet.
digest-more =
    { $count ->
        [one] See one more in your inbox
       *[other] See { $count } more in your inbox
    }
because-invited-by-many = You are receiving this email because members invited you.

accepted = { $name } accepted your invitation
accepted-lead = You and { $name } are connected now.
address = Email address
connections = Their connections
connections-count =
    { $count ->
        [one] { $name } has one connection.
       *[other] { $name } has { $count } connections.
    }
connections-include =
    { $count ->
        [one] { $name } has one connection: { $names }.
       *[other] { $name } has { $count } connections, including { $names }.
    }
connections-shared =
    { $count ->
        [0] You have none of them in common.
        [one] You have one of them in common.
       *[other] You have { $count } of them in common.
    }
because-inviting = You are receiving this email because you invited this member.
stop-acceptances = Stop emails about accepted invitations

replied = { $name } replied to your invitation
replied-lead = { $name } wrote:
still-open = Your invitation is still open.
see-invitation = View your invitation
stop-replies = Stop emails with replies
