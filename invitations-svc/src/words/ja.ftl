title = つながりの招待
invites = { $name }さんからつながりの招待が届いています
accept = 承認する
ignore = 無視する
reply = 返信する
reply-label = 承認せずに返信する
reply-wrong = 返信は1文字以上{ $count }文字以内で、制御や方向を変える見えない文字は使えません。
inbox = 受信箱で見る

ignored = 招待をアーカイブしました。送信者には知らされません。
replied = 返信を送信しました。招待はまだ有効です。
connections-full = どちらかのつながりが上限に達しているため、現在つながることができません。
replies-full = この招待にはこれ以上返信できません。

connected = つながりました
connected-hint = このページを閉じてかまいません。

neutral = ここでできることはありません
neutral-hint = このリンクの先に有効な招待はありません。お返事待ちの招待は受信箱でご覧いただけます。

unavailable = もう一度お試しください
unavailable-hint = 現在この操作を実行できません。1分後にリンクをもう一度開くと、招待の状況を確認できます。
unavailable-reply = 現在この操作を実行できません。返信はここに残っています。1分後にもう一度送信してください。二重に届くことはありません。
