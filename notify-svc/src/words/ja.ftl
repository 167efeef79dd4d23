called = { $name }さん
someone = 会員の方

greeting = { $name } 様
note-follows = メッセージ：
accept = 招待を承認する
accept-hint = リンクを開くと招待のページが表示されます。ページで選択するまで、何も実行されません。
profile = プロフィールを見る
inbox = 受信箱で見る
settings = 受け取るメールを選ぶ

invites = { $name }からつながりの招待が届いています
invites-lead = { $name }があなたとのつながりを希望しています。
because-invited = このメールは、会員の方があなたを招待したためお送りしています。
reminders-planned =
    { $count ->
        [0] リマインダーは送信されません。
       *[other] リマインダーは最大{ $count }回送信されます。
    }
stop-invitations = 招待メールの受信を停止する

waits = { $name }からの招待に、まだお返事がありません
waits-lead = { $name }があなたとのつながりを希望しています。招待はまだ有効です。
reminders-follow =
    { $count ->
        [0] リマインダーはこれが最後です。
       *[other] リマインダーはあと最大{ $count }回送信されます。
    }
stop-reminders = リマインダーの受信を停止する

digest = { $count }件の招待がお返事を待っています
digest-lead = 次の会員の方々があなたとのつながりを希望しています。招待はまだ有効です。
digest-more = 受信箱でほかの{ $count }件を見る
because-invited-by-many = このメールは、会員の方々があなたを招待したためお送りしています。

accepted = { $name }が招待を承認しました
accepted-lead = { $name }とつながりました。
address = メールアドレス
connections = つながり
connections-count = { $name }には{ $count }人のつながりがあります。
connections-include = { $name }には、{ $names }など{ $count }人のつながりがあります。
connections-shared =
    { $count ->
        [0] 共通のつながりはありません。
       *[other] そのうち{ $count }人が共通のつながりです。
    }
because-inviting = このメールは、あなたがこの会員の方を招待したためお送りしています。
stop-acceptances = 招待の承認メールの受信を停止する

replied = { $name }があなたの招待に返信しました
replied-lead = { $name }からの返信：
still-open = あなたの招待はまだ有効です。
see-invitation = 招待を見る
stop-replies = 返信メールの受信を停止する
