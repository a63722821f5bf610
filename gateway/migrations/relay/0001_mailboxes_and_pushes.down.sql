DROP TABLE answer;
DROP TABLE item;
DROP TABLE push;
DROP TABLE mailbox;
DROP TABLE meta;
