title = Convite para se conectar
invites = { $name } quer se conectar com você
accept = Aceitar
ignore = Ignorar
reply = Responder
reply-label = Responder sem aceitar
reply-wrong = Uma resposta tem de 1 a { $count } caracteres e nenhum invisível que controle ou inverta o texto.
inbox = Ver na sua caixa de entrada

ignored = Convite arquivado. Quem o enviou não fica sabendo.
replied = Sua resposta está a caminho. O convite continua aberto.
connections-full = No momento não é possível conectar vocês: um dos dois atingiu o máximo de contatos.
replies-full = Este convite não aceita mais respostas.

connected = Agora vocês estão em contato
connected-hint = Você pode fechar esta página.

neutral = Não há nada a fazer aqui
neutral-hint = Este link não leva a nenhum convite aberto. Sua caixa de entrada mostra os convites que esperam por você.

unavailable = Tente novamente
unavailable-hint = Não é possível fazer isso agora. Abra o link de novo em um minuto para ver a situação do convite.
unavailable-reply = Não é possível fazer isso agora. Sua resposta continua aqui: envie-a de novo em um minuto. Ela não chegará duas vezes.
