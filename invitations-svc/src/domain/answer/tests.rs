mod accepting;
mod declining;
mod etags;
mod replying;
mod table;
