called = { $name }
someone = Un membre

greeting = Bonjour { $name },
note-follows = Son message :
accept = Accepter l’invitation
accept-hint = Le lien ouvre une page qui présente l’invitation. Rien ne se passe avant que vous n’y fassiez un choix.
profile = Voir le profil
inbox = Voir dans votre boîte de réception
settings = Choisir les e-mails que vous recevez

invites = { $name } vous invite à rejoindre son réseau
invites-lead = { $name } souhaite vous ajouter à ses contacts.
because-invited = Vous recevez cet e-mail parce qu’un membre vous a envoyé une invitation.
reminders-planned =
    { $count ->
        [0] Aucun rappel ne suivra.
        [one] Un rappel au plus suivra.
       *[other] { $count } rappels au plus suivront.
    }
stop-invitations = Ne plus recevoir d’e-mails d’invitation

waits = { $name } attend toujours votre réponse
waits-lead = { $name } vous a envoyé une invitation à laquelle vous n’avez pas encore répondu.
# The singular is for 0 and 1.
reminders-follow =
    { $count ->
        [0] Aucun autre rappel ne suivra.
        [one] Un rappel au plus suivra encore.
       *[other] { $count } rappels au plus suivront encore.
    }
stop-reminders = Ne plus recevoir de rappels

digest = { $count } invitations attendent toujours votre réponse
digest-lead = Ces membres vous ont envoyé des invitations auxquelles vous n’avez pas encore répondu.
digest-more =
    { $count ->
        [one] En voir une autre dans votre boîte de réception
       *[other] En voir { $count } autres dans votre boîte de réception
    }
because-invited-by-many = Vous recevez cet e-mail parce que des membres vous ont envoyé des invitations.

accepted = { $name } a accepté votre invitation
accepted-lead = Vous êtes désormais en contact avec { $name }.
address = Adresse e-mail
connections = Son réseau
connections-count =
    { $count ->
        [one] { $name } a { $count } contact.
       *[other] { $name } a { $count } contacts.
    }
connections-include =
    { $count ->
        [one] { $name } a { $count } contact : { $names }.
       *[other] { $name } a { $count } contacts, dont { $names }.
    }
connections-shared =
    { $count ->
        [0] Vous n’avez aucun contact en commun.
        [one] Vous avez un contact en commun.
       *[other] Vous avez { $count } contacts en commun.
    }
because-inviting = Vous recevez cet e-mail parce que vous avez invité ce membre.
stop-acceptances = Ne plus recevoir d’e-mails sur les invitations acceptées

replied = { $name } a répondu à votre invitation
replied-lead = { $name } vous écrit :
still-open = Votre invitation est toujours ouverte.
see-invitation = Voir votre invitation
stop-replies = Ne plus recevoir d’e-mails avec des réponses
