page-settings = E-Mail-Einstellungen
page-settings-lead = Welche E-Mails möchten Sie bekommen?
page-initial = Einladungen
page-initial-hint = Jemand möchte sich mit Ihnen vernetzen.
page-reminder = Erinnerungen
page-reminder-hint = Eine Einladung wartet noch auf Ihre Antwort. Ohne E-Mails über Einladungen kommen auch keine.
page-acceptance = Angenommene Einladungen
page-acceptance-hint = Jemand hat Ihre Einladung angenommen.
page-reply = Antworten
page-reply-hint = Jemand hat auf Ihre Einladung geantwortet.
page-restrict-lead = Oder möchten Sie lieber gar keine?
page-restrict = Überhaupt keine E-Mails
page-restrict-hint = Ihre Auswahl oben bleibt erhalten, falls Sie wieder E-Mails möchten.
page-save = Speichern
page-saved = Ihre Auswahl ist gespeichert.

page-stop-initial = Keine E-Mails über Einladungen mehr, auch keine Erinnerungen?
page-stop-reminder = Keine Erinnerungen an Einladungen mehr?
page-stop-acceptance = Keine E-Mails über angenommene Einladungen mehr?
page-stop-reply = Keine E-Mails mit Antworten auf Ihre Einladungen mehr?
page-stop-hint = Andere E-Mails sind davon nicht betroffen, und Sie können es jederzeit wieder ändern.
page-stop = Diese E-Mails abbestellen
page-stopped-initial = Sie bekommen keine E-Mails über Einladungen mehr, auch keine Erinnerungen
page-stopped-reminder = Sie bekommen keine Erinnerungen an Einladungen mehr
page-stopped-acceptance = Sie bekommen keine E-Mails über angenommene Einladungen mehr
page-stopped-reply = Sie bekommen keine E-Mails mit Antworten auf Ihre Einladungen mehr
page-stopped-hint = Eine, die schon unterwegs ist, kann noch ankommen.
page-undo = Diese oder andere E-Mail-Einstellungen ändern

page-neutral = Dieser Link funktioniert nicht
page-neutral-hint = Vielleicht ist er unvollständig oder zu alt. Der Link in der neuesten E-Mail von uns funktioniert.
page-wrong = Nichts wurde geändert
page-wrong-settings = Gesendet wurde nicht das Formular dieser Seite. Bitte öffnen Sie den Link in Ihrer E-Mail noch einmal und drücken Sie dort den Knopf.
page-wrong-unsubscribe = Gesendet wurde weder das Formular dieser Seite noch List-Unsubscribe=One-Click nach RFC 8058. Bitte öffnen Sie den Link in Ihrer E-Mail noch einmal und drücken Sie dort den Knopf.
page-unavailable = Bitte versuchen Sie es noch einmal
page-unavailable-hint = Das geht im Augenblick nicht. Bitte öffnen Sie den Link in Ihrer E-Mail in einigen Minuten noch einmal.
