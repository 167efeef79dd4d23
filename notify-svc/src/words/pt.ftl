called = { $name }
someone = Um membro

greeting = Olá, { $name }!
note-follows = A mensagem:
accept = Aceitar o convite
accept-hint = O link abre uma página com o convite. Nada acontece antes que você escolha ali.
profile = Ver o perfil
inbox = Ver na sua caixa de entrada
settings = Escolher quais e-mails receber

invites = { $name } quer se conectar com você
invites-lead = { $name } gostaria de adicionar você à sua rede de contatos.
because-invited = Você está recebendo este e-mail porque um membro enviou um convite a você.
reminders-planned =
    { $count ->
        [0] Nenhum lembrete será enviado.
        [one] No máximo um lembrete será enviado.
       *[other] No máximo { $count } lembretes serão enviados.
    }
stop-invitations = Não receber mais e-mails de convites

waits = { $name } ainda aguarda sua resposta
waits-lead = { $name } enviou um convite que você ainda não respondeu.
# The singular is for 0 and 1.
reminders-follow =
    { $count ->
        [0] Nenhum outro lembrete será enviado.
        [one] No máximo mais um lembrete será enviado.
       *[other] No máximo mais { $count } lembretes serão enviados.
    }
stop-reminders = Não receber mais lembretes

digest = { $count } convites ainda aguardam sua resposta
digest-lead = Estes membros enviaram convites que você ainda não respondeu.
digest-more =
    { $count ->
        [one] Ver mais um na sua caixa de entrada
       *[other] Ver mais { $count } na sua caixa de entrada
    }
because-invited-by-many = Você está recebendo este e-mail porque membros enviaram convites a você.

accepted = { $name } aceitou seu convite
accepted-lead = Agora você está em contato com { $name }.
address = Endereço de e-mail
connections = Rede de contatos
connections-count =
    { $count ->
        [one] { $name } tem { $count } contato.
       *[other] { $name } tem { $count } contatos.
    }
connections-include =
    { $count ->
        [one] { $name } tem { $count } contato: { $names }.
       *[other] { $name } tem { $count } contatos, entre eles { $names }.
    }
connections-shared =
    { $count ->
        [0] Vocês não têm contatos em comum.
        [one] Vocês têm um contato em comum.
       *[other] Vocês têm { $count } contatos em comum.
    }
because-inviting = Você está recebendo este e-mail porque convidou este membro.
stop-acceptances = Não receber mais e-mails de convites aceitos

replied = { $name } respondeu ao seu convite
replied-lead = { $name } escreveu:
still-open = Seu convite continua aberto.
see-invitation = Ver seu convite
stop-replies = Não receber mais e-mails com respostas
