called = { $name }
someone = Ein Mitglied

greeting = Guten Tag { $name },
note-follows = Die Nachricht dazu:
accept = Einladung annehmen
accept-hint = Der Link öffnet eine Seite mit der Einladung. Nichts geschieht, bevor Sie dort etwas auswählen.
profile = Profil ansehen
inbox = Im Posteingang ansehen
settings = E-Mail-Einstellungen ändern

invites = { $name } möchte sich mit Ihnen vernetzen
invites-lead = { $name } möchte Sie zu den eigenen Kontakten hinzufügen.
because-invited = Sie erhalten diese E-Mail, weil ein Mitglied Sie eingeladen hat.
reminders-planned =
    { $count ->
        [0] Es folgt keine Erinnerung.
        [one] Es folgt höchstens eine Erinnerung.
       *[other] Es folgen höchstens { $count } Erinnerungen.
    }
stop-invitations = Keine E-Mails über Einladungen mehr

waits = { $name } wartet noch auf Ihre Antwort
waits-lead = { $name } hat Ihnen eine Einladung geschickt, die Sie noch nicht beantwortet haben.
reminders-follow =
    { $count ->
        [0] Es folgt keine weitere Erinnerung.
        [one] Es folgt höchstens noch eine Erinnerung.
       *[other] Es folgen höchstens noch { $count } Erinnerungen.
    }
stop-reminders = Keine Erinnerungen mehr

digest = { $count } Einladungen warten noch auf Ihre Antwort
# Begins with a noun, because it follows the comma of the greeting.
digest-lead = Mitglieder haben Ihnen Einladungen geschickt, die Sie noch nicht beantwortet haben.
digest-more =
    { $count ->
        [one] Eine weitere im Posteingang ansehen
       *[other] { $count } weitere im Posteingang ansehen
    }
because-invited-by-many = Sie erhalten diese E-Mail, weil Mitglieder Sie eingeladen haben.

accepted = { $name } hat Ihre Einladung angenommen
accepted-lead = Sie und { $name } sind jetzt vernetzt.
address = E-Mail-Adresse
connections = Kontakte
connections-count =
    { $count ->
        [one] { $name } hat einen Kontakt.
       *[other] { $name } hat { $count } Kontakte.
    }
connections-include =
    { $count ->
        [one] { $name } hat einen Kontakt: { $names }.
       *[other] { $name } hat { $count } Kontakte, darunter { $names }.
    }
connections-shared =
    { $count ->
        [0] Gemeinsame Kontakte haben Sie nicht.
        [one] Einen davon haben Sie gemeinsam.
       *[other] { $count } davon haben Sie gemeinsam.
    }
because-inviting = Sie erhalten diese E-Mail, weil Sie dieses Mitglied eingeladen haben.
stop-acceptances = Keine E-Mails über angenommene Einladungen mehr

replied = { $name } hat auf Ihre Einladung geantwortet
replied-lead = { $name } schreibt:
still-open = Ihre Einladung ist weiterhin offen.
see-invitation = Ihre Einladung ansehen
stop-replies = Keine E-Mails mit Antworten mehr
