-- When a device last asked the registrar something, by its own signature: its user has opened it then.
ALTER TABLE device ADD COLUMN heard INTEGER;
