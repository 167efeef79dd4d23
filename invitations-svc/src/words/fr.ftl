title = Invitation à se connecter
invites = { $name } vous invite à rejoindre son réseau
accept = Accepter
ignore = Ignorer
reply = Répondre
reply-label = Répondre sans accepter
reply-wrong = Une réponse compte de 1 à { $count } caractères, sans caractère invisible qui commande ou inverse le texte.
inbox = Voir dans votre boîte de réception

ignored = Invitation mise de côté. L’expéditeur n’en saura rien.
replied = Votre réponse est en route. L’invitation est toujours ouverte.
connections-full = La mise en contact est impossible pour le moment : l’un de vous a atteint le nombre maximal de contacts.
replies-full = Cette invitation ne peut plus recevoir de réponses.

connected = Vous êtes désormais en contact
connected-hint = Vous pouvez fermer cette page.

neutral = Il n’y a rien à faire ici
neutral-hint = Ce lien ne mène à aucune invitation ouverte. Votre boîte de réception contient les invitations qui vous attendent.

unavailable = Veuillez réessayer
unavailable-hint = C’est impossible pour l’instant. Rouvrez le lien dans une minute pour voir où en est l’invitation.
unavailable-reply = C’est impossible pour l’instant. Votre réponse est encore là : envoyez-la de nouveau dans une minute. Elle n’arrivera pas deux fois.
