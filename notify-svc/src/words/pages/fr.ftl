page-settings = Préférences d’e-mail
page-settings-lead = Quels e-mails souhaitez-vous recevoir ?
page-initial = Invitations
page-initial-hint = Quelqu’un vous invite à entrer en contact.
page-reminder = Rappels
page-reminder-hint = Une invitation attend toujours votre réponse. Sans e-mails sur les invitations, il n’y en a pas non plus.
page-acceptance = Invitations acceptées
page-acceptance-hint = Quelqu’un a accepté votre invitation.
page-reply = Réponses
page-reply-hint = Quelqu’un a répondu à votre invitation.
page-restrict-lead = Ou préférez-vous n’en recevoir aucun ?
page-restrict = Aucun e-mail
page-restrict-hint = Vos choix ci-dessus sont conservés au cas où vous voudriez de nouveau des e-mails.
page-save = Enregistrer
page-saved = Vos choix sont enregistrés.

page-stop-initial = Ne plus recevoir d’e-mails sur les invitations, rappels compris ?
page-stop-reminder = Ne plus recevoir de rappels d’invitations ?
page-stop-acceptance = Ne plus recevoir d’e-mails sur les invitations acceptées ?
page-stop-reply = Ne plus recevoir d’e-mails avec les réponses à vos invitations ?
page-stop-hint = Les autres e-mails ne changent pas, et vous pouvez changer d’avis à tout moment.
page-stop = Ne plus les recevoir
page-stopped-initial = Vous ne recevrez plus d’e-mails sur les invitations, rappels compris
page-stopped-reminder = Vous ne recevrez plus de rappels d’invitations
page-stopped-acceptance = Vous ne recevrez plus d’e-mails sur les invitations acceptées
page-stopped-reply = Vous ne recevrez plus d’e-mails avec les réponses à vos invitations
page-stopped-hint = Un e-mail déjà parti peut encore arriver.
page-undo = Changer cette préférence d’e-mail ou d’autres

page-neutral = Ce lien ne fonctionne pas
page-neutral-hint = Il est peut-être incomplet ou trop ancien. Le lien du dernier e-mail que vous avez reçu de nous fonctionne.
page-wrong = Rien n’a été changé
page-wrong-settings = Ce qui a été envoyé n’est pas le formulaire de cette page. Veuillez rouvrir le lien de votre e-mail et y appuyer sur le bouton.
page-wrong-unsubscribe = Ce qui a été envoyé n’est ni le formulaire de cette page ni List-Unsubscribe=One-Click selon la RFC 8058. Veuillez rouvrir le lien de votre e-mail et y appuyer sur le bouton.
page-unavailable = Veuillez réessayer
page-unavailable-hint = Ce n’est pas possible pour le moment. Veuillez rouvrir le lien de votre e-mail dans quelques minutes.
