page-settings = メール設定
page-settings-lead = どのメールを受け取りますか？
page-initial = 招待
page-initial-hint = つながりへの招待が届いたときのメールです。
page-reminder = リマインダー
page-reminder-hint = まだ返事をしていない招待があるときのメールです。招待のメールを停止すると届きません。
page-acceptance = 招待の承認
page-acceptance-hint = あなたの招待が承認されたときのメールです。
page-reply = 返信
page-reply-hint = あなたの招待に返信があったときのメールです。
page-restrict-lead = メールを一切受け取らないこともできます。
page-restrict = すべてのメールを停止する
page-restrict-hint = 再開するときのために、上の設定はそのまま残ります。
page-save = 保存
page-saved = 設定を保存しました。

page-stop-initial = 招待のメールを、リマインダーも含めて停止しますか？
page-stop-reminder = 招待のリマインダーを停止しますか？
page-stop-acceptance = 招待の承認のメールを停止しますか？
page-stop-reply = 招待への返信のメールを停止しますか？
page-stop-hint = ほかのメールには影響しません。設定はいつでも変更できます。
page-stop = 停止する
page-stopped-initial = 招待のメールを、リマインダーも含めて停止しました
page-stopped-reminder = 招待のリマインダーを停止しました
page-stopped-acceptance = 招待の承認のメールを停止しました
page-stopped-reply = 招待への返信のメールを停止しました
page-stopped-hint = すでに送信中のメールは届くことがあります。
page-undo = この設定やほかのメール設定を変更する

page-neutral = このリンクは使えません
page-neutral-hint = リンクが不完全か、古すぎる可能性があります。最新のメールにあるリンクをお使いください。
page-wrong = 何も変更されていません
page-wrong-settings = 送信された内容は、このページのフォームではありません。メールのリンクをもう一度開き、そこにあるボタンを押してください。
page-wrong-unsubscribe = 送信された内容は、このページのフォームでも、RFC 8058 の List-Unsubscribe=One-Click でもありません。メールのリンクをもう一度開き、そこにあるボタンを押してください。
page-unavailable = もう一度お試しください
page-unavailable-hint = ただいま処理できません。数分後にメールのリンクをもう一度開いてください。
