title = Invitación para conectar
invites = { $name } quiere conectar con usted
accept = Aceptar
ignore = Ignorar
reply = Responder
reply-label = Responder sin aceptar
reply-wrong = Una respuesta tiene de 1 a { $count } caracteres y ninguno invisible que controle o invierta el texto.
inbox = Ver en su bandeja de entrada

ignored = Invitación archivada. El remitente no se entera.
replied = Su respuesta está en camino. La invitación sigue abierta.
connections-full = Por ahora no pueden conectar: uno de los dos ha alcanzado el máximo de contactos.
replies-full = Esta invitación ya no admite más respuestas.

connected = Ya están en contacto
connected-hint = Puede cerrar esta página.

neutral = No hay nada que hacer aquí
neutral-hint = Este enlace no lleva a ninguna invitación abierta. En su bandeja de entrada verá las invitaciones que le esperan.

unavailable = Inténtelo de nuevo
unavailable-hint = Ahora mismo no es posible. Si abre el enlace otra vez dentro de un minuto, verá en qué estado está la invitación.
unavailable-reply = Ahora mismo no es posible. Su respuesta sigue aquí: envíela otra vez dentro de un minuto. No llegará dos veces.
