DROP TABLE sent;
DROP TABLE opening;
DROP TABLE guess;
DROP TABLE recovery_code;
DROP TABLE enrolled_identity;
DROP TABLE enrolled;
DROP TABLE nonce;
