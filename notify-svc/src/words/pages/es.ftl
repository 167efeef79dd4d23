page-settings = Preferencias de correo
page-settings-lead = ¿Qué correos desea recibir?
page-initial = Invitaciones
page-initial-hint = Alguien le invita a conectar.
page-reminder = Recordatorios
page-reminder-hint = Una invitación sigue esperando su respuesta. Sin correos sobre invitaciones tampoco los hay.
page-acceptance = Invitaciones aceptadas
page-acceptance-hint = Alguien ha aceptado su invitación.
page-reply = Respuestas
page-reply-hint = Alguien ha respondido a su invitación.
page-restrict-lead = ¿O prefiere no recibir ninguno?
page-restrict = Ningún correo
page-restrict-hint = Conservamos sus preferencias de arriba por si vuelve a querer correos.
page-save = Guardar
page-saved = Sus preferencias se han guardado.

page-stop-initial = ¿Dejar de recibir correos sobre invitaciones, también los recordatorios?
page-stop-reminder = ¿Dejar de recibir recordatorios de invitaciones?
page-stop-acceptance = ¿Dejar de recibir correos sobre invitaciones aceptadas?
page-stop-reply = ¿Dejar de recibir correos con respuestas a sus invitaciones?
page-stop-hint = Los demás correos no cambian, y puede cambiar de opinión cuando quiera.
page-stop = Dejar de recibirlos
page-stopped-initial = Ya no recibirá correos sobre invitaciones ni recordatorios
page-stopped-reminder = Ya no recibirá recordatorios de invitaciones
page-stopped-acceptance = Ya no recibirá correos sobre invitaciones aceptadas
page-stopped-reply = Ya no recibirá correos con respuestas a sus invitaciones
page-stopped-hint = Si uno ya está en camino, todavía puede llegar.
page-undo = Cambiar esta u otras preferencias de correo

page-neutral = Este enlace no funciona
page-neutral-hint = Puede que esté incompleto o sea demasiado antiguo. El enlace del último correo que recibió de nosotros funciona.
page-wrong = No se ha cambiado nada
page-wrong-settings = Lo enviado no es el formulario de esta página. Abra de nuevo el enlace de su correo y pulse allí el botón.
page-wrong-unsubscribe = Lo enviado no es ni el formulario de esta página ni List-Unsubscribe=One-Click, según RFC 8058. Abra de nuevo el enlace de su correo y pulse allí el botón.
page-unavailable = Inténtelo de nuevo
page-unavailable-hint = Ahora mismo no es posible. Abra de nuevo el enlace de su correo dentro de unos minutos.
