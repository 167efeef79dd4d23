page-settings = Preferências de e-mail
page-settings-lead = Quais e-mails você quer receber?
page-initial = Convites
page-initial-hint = Alguém convida você para se conectar.
page-reminder = Lembretes
page-reminder-hint = Um convite ainda espera a sua resposta. Sem e-mails sobre convites também não há lembretes.
page-acceptance = Convites aceitos
page-acceptance-hint = Alguém aceitou o seu convite.
page-reply = Respostas
page-reply-hint = Alguém respondeu ao seu convite.
page-restrict-lead = Ou prefere não receber nenhum?
page-restrict = Nenhum e-mail
page-restrict-hint = Guardamos as suas escolhas acima para quando quiser e-mails de novo.
page-save = Salvar
page-saved = Suas escolhas foram salvas.

page-stop-initial = Parar de receber e-mails sobre convites, inclusive lembretes?
page-stop-reminder = Parar de receber lembretes de convites?
page-stop-acceptance = Parar de receber e-mails sobre convites aceitos?
page-stop-reply = Parar de receber e-mails com respostas aos seus convites?
page-stop-hint = Os outros e-mails não mudam, e você pode mudar de ideia a qualquer momento.
page-stop = Parar de receber
page-stopped-initial = Você não receberá mais e-mails sobre convites nem lembretes
page-stopped-reminder = Você não receberá mais lembretes de convites
page-stopped-acceptance = Você não receberá mais e-mails sobre convites aceitos
page-stopped-reply = Você não receberá mais e-mails com respostas aos seus convites
page-stopped-hint = Um que já está a caminho ainda pode chegar.
page-undo = Mudar esta ou outras preferências de e-mail

page-neutral = Este link não funciona
page-neutral-hint = Talvez esteja incompleto ou seja antigo demais. O link do último e-mail que você recebeu de nós funciona.
page-wrong = Nada foi mudado
page-wrong-settings = O que foi enviado não é o formulário desta página. Abra de novo o link do seu e-mail e aperte o botão que está lá.
page-wrong-unsubscribe = O que foi enviado não é nem o formulário desta página nem List-Unsubscribe=One-Click, segundo a RFC 8058. Abra de novo o link do seu e-mail e aperte o botão que está lá.
page-unavailable = Tente de novo
page-unavailable-hint = Isto não é possível agora. Abra de novo o link do seu e-mail daqui a alguns minutos.
