mod ending;
mod reminding;
