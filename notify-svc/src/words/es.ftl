called = { $name }
someone = Un miembro

greeting = Hola, { $name }:
note-follows = Su mensaje:
accept = Aceptar la invitación
accept-hint = El enlace abre una página con la invitación. No ocurre nada hasta que usted elija allí.
profile = Ver el perfil
inbox = Ver en su bandeja de entrada
settings = Elegir qué correos recibe

invites = { $name } quiere conectar con usted
invites-lead = { $name } desea añadirle a su red de contactos.
because-invited = Recibe este correo porque un miembro le ha enviado una invitación.
reminders-planned =
    { $count ->
        [0] No recibirá recordatorios.
        [one] Recibirá como máximo un recordatorio.
       *[other] Recibirá como máximo { $count } recordatorios.
    }
stop-invitations = No recibir más correos de invitaciones

waits = { $name } sigue esperando su respuesta
waits-lead = { $name } le ha enviado una invitación que usted aún no ha respondido.
reminders-follow =
    { $count ->
        [0] No recibirá más recordatorios.
        [one] Recibirá como máximo un recordatorio más.
       *[other] Recibirá como máximo { $count } recordatorios más.
    }
stop-reminders = No recibir más recordatorios

digest = { $count } invitaciones siguen esperando su respuesta
digest-lead = Estos miembros le han enviado invitaciones que usted aún no ha respondido.
digest-more =
    { $count ->
        [one] Ver una más en su bandeja de entrada
       *[other] Ver { $count } más en su bandeja de entrada
    }
because-invited-by-many = Recibe este correo porque varios miembros le han enviado invitaciones.

accepted = { $name } ha aceptado su invitación
accepted-lead = Ahora usted y { $name } están en contacto.
address = Correo electrónico
connections = Contactos
connections-count =
    { $count ->
        [one] { $name } tiene un contacto.
       *[other] { $name } tiene { $count } contactos.
    }
connections-include =
    { $count ->
        [one] { $name } tiene un contacto: { $names }.
       *[other] { $name } tiene { $count } contactos, entre ellos { $names }.
    }
connections-shared =
    { $count ->
        [0] No tienen contactos en común.
        [one] Tienen un contacto en común.
       *[other] Tienen { $count } contactos en común.
    }
because-inviting = Recibe este correo porque usted invitó a este miembro.
stop-acceptances = No recibir más correos de invitaciones aceptadas

replied = { $name } ha respondido a su invitación
replied-lead = { $name } escribe:
still-open = Su invitación sigue abierta.
see-invitation = Ver su invitación
stop-replies = No recibir más correos con respuestas
