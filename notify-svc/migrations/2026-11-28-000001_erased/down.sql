DROP TABLE erased_reader;
