mod bans;
mod cases;
mod hidden;
mod order;
mod resend;
