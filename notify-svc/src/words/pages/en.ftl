page-settings = Email settings
page-settings-lead = Which emails do you want to get?
page-initial = Invitations
page-initial-hint = Somebody invites you to connect.
page-reminder = Reminders
page-reminder-hint = An invitation is still waiting for your answer. Without emails about invitations there are none.
page-acceptance = Acceptances
page-acceptance-hint = Somebody accepted your invitation.
page-reply = Replies
page-reply-hint = Somebody replied to your invitation.
page-restrict-lead = Or would you rather not get any?
page-restrict = No emails at all
page-restrict-hint = We keep your choices above for when you want emails again.
page-save = Save
page-saved = Your choices are saved.

page-stop-initial = Stop emails about invitations, and reminders of them?
page-stop-reminder = Stop reminders of invitations?
page-stop-acceptance = Stop emails about accepted invitations?
page-stop-reply = Stop emails with replies to your invitations?
page-stop-hint = Other emails are not affected, and you can change your mind at any time.
page-stop = Stop these emails
page-stopped-initial = You will get no more emails about invitations, nor reminders of them
page-stopped-reminder = You will get no more reminders of invitations
page-stopped-acceptance = You will get no more emails about accepted invitations
page-stopped-reply = You will get no more emails with replies to your invitations
page-stopped-hint = One that is on its way already may still arrive.
page-undo = Change this or other email settings

page-neutral = This link does not work
page-neutral-hint = It may be incomplete or too old. The link in the latest email that you got from us works.
page-wrong = Nothing was changed
page-wrong-settings = What was sent is not the form of this page. Please open the link in your email again and press the button there.
page-wrong-unsubscribe = What was sent is neither the form of this page nor List-Unsubscribe=One-Click, as RFC 8058 has it. Please open the link in your email again and press the button there.
page-unavailable = Please try again
page-unavailable-hint = We cannot do this right now. Please open the link in your email again in a few minutes.
