title = Kontaktanfrage
invites = { $name } möchte sich mit Ihnen vernetzen
accept = Annehmen
ignore = Ignorieren
reply = Antworten
reply-label = Antworten, ohne anzunehmen
reply-wrong = Eine Antwort hat 1 bis { $count } Zeichen und keine unsichtbaren, die Text steuern oder umkehren.
inbox = Im Posteingang ansehen

ignored = Zur Seite gelegt. Der Absender erfährt nichts davon.
replied = Ihre Antwort ist unterwegs. Die Einladung ist weiterhin offen.
connections-full = Sie können sich zurzeit nicht vernetzen: Auf einer Seite ist die höchste Zahl an Kontakten erreicht.
replies-full = Auf diese Einladung sind keine weiteren Antworten möglich.

connected = Sie sind jetzt vernetzt
connected-hint = Sie können diese Seite schließen.

neutral = Hier gibt es nichts zu tun
neutral-hint = Dieser Link führt zu keiner offenen Einladung. In Ihrem Posteingang finden Sie die Einladungen, die auf Sie warten.

unavailable = Bitte versuchen Sie es noch einmal
unavailable-hint = Das geht im Moment nicht. Wenn Sie den Link in einer Minute noch einmal öffnen, sehen Sie, wie es um die Einladung steht.
unavailable-reply = Das geht im Moment nicht. Ihre Antwort steht noch hier: Senden Sie sie in einer Minute noch einmal. Sie kommt nicht doppelt an.
