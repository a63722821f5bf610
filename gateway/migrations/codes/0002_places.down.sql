DROP TABLE typed;
DROP TABLE guess_at;
